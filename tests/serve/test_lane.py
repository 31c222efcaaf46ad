"""One job at a time, in order; batches that lose nobody."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from eyas.bundle import Bundle
from eyas.infer import Prediction
from eyas.serve.batcher import Batcher
from eyas.serve.http import Problem
from eyas.serve.lane import SHORT, Lane
from eyas.serve.model import Model

LONG = 2 * SHORT


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(30):
            return await work()

    return asyncio.run(bounded())


def lane(max_wait: float = 10.0, timeout: float = 30.0) -> Lane:
    return Lane(max_wait, timeout, lambda *counts: None)


def test_short_jobs_run_on_the_loop_and_long_ones_in_a_thread() -> None:
    async def work() -> None:
        one, here = lane(), threading.get_ident()
        threads = await asyncio.gather(*(one.run(s, threading.get_ident) for s in (0.0, LONG, 0.0, LONG)))
        assert [thread == here for thread in threads] == [True, False, True, False]

    run(work)


def test_jobs_keep_their_order_and_the_loop_turns_between_them() -> None:
    async def work() -> None:
        one, done, turns = lane(), [], 0

        async def turn() -> None:
            nonlocal turns
            while len(done) < 50:
                turns += 1
                await asyncio.sleep(0)

        await asyncio.gather(turn(), *(one.run(SHORT / 2, lambda n=n: done.append(n)) for n in range(50)))
        assert done == list(range(50))
        assert turns > 10

    run(work)


def test_what_would_wait_too_long_is_refused_and_what_has_waited_too_long_is_given_up() -> None:
    async def work() -> None:
        one, free = lane(max_wait=3.0, timeout=0.05), threading.Event()
        running = asyncio.create_task(one.run(1.0, free.wait, perf_counter() + 30))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(one.run(2.5, lambda: None))
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="1 requests wait already") as refused:
            await one.run(1.0, lambda: None)
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "3"})
        with pytest.raises(Problem, match=r"not answered within 0\.05 s") as late:  # while the other still runs
            await waiting
        assert late.value.status == 504
        free.set()
        assert await running is True
        assert await one.run(LONG, lambda: 7) == 7

    run(work)


def test_what_is_too_late_is_not_done_and_nobody_waits_for_what_lasts_too_long() -> None:
    async def work() -> None:
        one, free, done = lane(), threading.Event(), []
        with pytest.raises(Problem, match="not answered") as idle:  # the lane is free, and the job short
            await one.run(0.0, lambda: done.append("late"), until=perf_counter())
        with pytest.raises(Problem, match="not answered") as under_way:
            await one.run(LONG, free.wait, until=perf_counter() + 0.02)
        assert (idle.value.status, under_way.value.status) == (504, 504)
        behind = asyncio.create_task(one.run(LONG, lambda: done.append("behind"), until=perf_counter() + 0.02))
        with pytest.raises(Problem, match="not answered"):  # the thread is at the other still
            await behind
        free.set()
        assert await one.run(LONG, lambda: 7) == 7
        assert done == []

    run(work)


def test_what_is_given_up_leaves_room_for_others() -> None:
    async def work() -> None:
        one, free = lane(max_wait=3.0, timeout=0.02), threading.Event()
        running = asyncio.create_task(one.run(1.0, free.wait, perf_counter() + 30))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(one.run(2.5, lambda: None))
        with pytest.raises(Problem, match="not answered"):
            await waiting
        other = asyncio.create_task(one.run(2.5, lambda: 7, perf_counter() + 30))  # else there would be no room
        await asyncio.sleep(0)
        free.set()
        assert (await running, await other) == (True, 7)

    run(work)


def test_it_is_told_of_which_model_a_job_comes_and_goes() -> None:
    async def work() -> None:
        told: list[tuple[int, object, int]] = []
        one, free = Lane(10.0, 30.0, lambda *changes: told.append(changes)), threading.Event()
        running = asyncio.create_task(one.run(LONG, free.wait, model=("digits", "1")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting = asyncio.create_task(one.run(LONG, lambda: None, model=("digits", "2")))
        await asyncio.sleep(0)
        waiting.cancel()  # it still counts until its turn comes
        free.set()
        await running
        await one.run(LONG, lambda: None)
        assert [change for _, model, change in told if model == ("digits", "1")] == [1, -1]
        assert [change for _, model, change in told if model == ("digits", "2")] == [1, -1]
        assert told[-1] == (0, None, -1)

    run(work)


class Clock:
    """What the lane takes for the time."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def job(self) -> None:
        self.now += JOB


JOB = 0.001  # seconds, of a queue of 100


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("eyas.serve.lane.monotonic", made)
    return made


def offer(one: Lane, clock: Clock, jobs: int) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(one.run(JOB, clock.job)) for _ in range(jobs)]


async def taken(tasks: list[asyncio.Task[None]]) -> int:
    """How many were not refused, once all others are done."""
    return sum(not isinstance(found, Problem) for found in await asyncio.gather(*tasks, return_exceptions=True))


async def burst(one: Lane, clock: Clock, seconds: float = 0.0) -> int:
    """How many of many jobs are taken behind a long one, which lasts so long."""
    free = threading.Event()
    before = asyncio.create_task(one.run(LONG, free.wait))
    await asyncio.sleep(0)
    tasks = offer(one, clock, 200)
    await asyncio.sleep(0)
    clock.now += seconds
    free.set()
    await before
    return await taken(tasks)


def test_a_queue_that_stays_full_is_kept_short_until_nobody_has_waited_for_a_while(clock: Clock) -> None:
    async def work() -> None:
        counts: list[tuple[float, int]] = []
        one = Lane(100 * JOB, 30.0, lambda count, *of: counts.append((clock.now, count)))
        tasks: list[asyncio.Task[None]] = []
        while clock.now < 0.6:  # more than twice as many as it can do
            tasks += offer(one, clock, 5)
            await asyncio.sleep(0)
        await taken(tasks)
        assert max(count for at, count in counts if at < 0.2) >= 90
        assert max(count for at, count in counts if 0.4 < at < 0.6) <= 12
        assert await burst(one, clock) <= 12  # at once after it
        clock.now += 0.02
        assert await burst(one, clock) >= 90

    run(work)


def test_bursts_behind_long_jobs_are_no_queue_that_stays_full(clock: Clock) -> None:
    async def work() -> None:
        one = lane(max_wait=100 * JOB)
        assert [await burst(one, clock, seconds=1.3) >= 90 for _ in range(5)] == [True] * 5

    run(work)


@pytest.fixture
def model(grey: Bundle) -> Model:
    made = Model(grey, 1)
    made.batch, made.seconds = 8, LONG  # so that it runs in a thread
    return made


def test_what_waits_is_predicted_together_and_each_gets_its_own(model: Model, grey: Bundle) -> None:
    sizes, images = [], grey.golden().images
    first, free = threading.Event(), threading.Event()

    def predict(model: Model, batch: np.ndarray) -> Prediction:
        sizes.append(len(batch))
        first.set()
        assert free.wait(30)
        return model.predict(batch)

    async def work() -> list[Prediction]:
        batcher = Batcher(lane(), predict)
        tasks = [asyncio.create_task(batcher.predict(model, images[n : n + 1])) for n in range(1)]
        await asyncio.to_thread(first.wait)
        tasks += [asyncio.create_task(batcher.predict(model, images[n : n + 1])) for n in range(1, 12)]
        await asyncio.sleep(0.01)
        free.set()
        return await asyncio.gather(*tasks)

    found = run(work)
    assert sizes == [1, 8, 3]
    np.testing.assert_allclose(
        np.concatenate([one.probabilities for one in found]), grey.golden().probabilities[:12], atol=1e-6
    )


def test_who_leaves_while_it_predicts_for_others_takes_no_answer_with_it(model: Model, grey: Bundle) -> None:
    images = grey.golden().images
    begun, free = threading.Semaphore(0), threading.Event()

    def predict(model: Model, batch: np.ndarray) -> Prediction:
        begun.release()
        assert free.wait(30)
        return model.predict(batch)

    async def work() -> tuple[Prediction, Prediction]:
        batcher, blocked = Batcher(one := lane(), predict), threading.Event()
        blocker = asyncio.create_task(one.run(LONG, blocked.wait))
        await asyncio.sleep(0)
        leaver, *others = (asyncio.create_task(batcher.predict(model, images[n : n + 1])) for n in range(3))
        await asyncio.sleep(0.01)
        blocked.set()  # the leaver's turn comes, with the images of all three
        await asyncio.to_thread(begun.acquire)
        leaver.cancel()
        free.set()
        await blocker
        return await others[0], await others[1]

    found = run(work)
    np.testing.assert_allclose(
        np.concatenate([one.probabilities for one in found]), grey.golden().probabilities[1:3], atol=1e-6
    )


def test_a_fault_is_told_to_all_who_waited_for_it(model: Model, grey: Bundle) -> None:
    def predict(model: Model, batch: np.ndarray) -> Prediction:
        raise RuntimeError("broken")

    async def work() -> list[Any]:
        batcher = Batcher(lane(), predict)
        images = grey.golden().images
        return await asyncio.gather(
            *(batcher.predict(model, images[n : n + 1]) for n in range(4)), return_exceptions=True
        )

    assert [str(one) for one in run(work)] == ["broken"] * 4
