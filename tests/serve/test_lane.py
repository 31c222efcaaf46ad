"""One job at a time, in order; batches that lose nobody."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
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
    return Lane(max_wait, timeout, lambda count: None)


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
        running = asyncio.create_task(one.run(1.0, free.wait))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(one.run(2.5, lambda: None))
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="1 requests wait already") as refused:
            await one.run(1.0, lambda: None)
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "3"})
        with pytest.raises(Problem, match=r"not begun within 0\.05 s") as late:  # while the other still runs
            await waiting
        assert late.value.status == 504
        free.set()
        assert await running is True
        assert await one.run(LONG, lambda: 7) == 7

    run(work)


def test_a_queue_that_stays_full_is_kept_short_until_nothing_is_refused_for_a_while() -> None:
    async def work() -> None:
        one, free = lane(max_wait=0.1), threading.Event()
        jobs = [asyncio.create_task(one.run(LONG, free.wait))]
        await asyncio.sleep(0)

        async def taken(seconds: float) -> int:
            """How many jobs of a hundredth of the queue are taken in so long, of more than it holds."""
            until, before = monotonic() + seconds, len(jobs)
            while monotonic() < until:
                with suppress(Problem):
                    one.require_room(0.001)
                    jobs.append(asyncio.create_task(one.run(0.001, lambda: None)))
                await asyncio.sleep(0.0005)
            return len(jobs) - before

        assert 90 <= await taken(0.4) <= 100  # as many as the queue holds, of a burst
        free.set()
        await asyncio.gather(*jobs)
        free.clear()
        jobs[:] = [asyncio.create_task(one.run(LONG, free.wait))]
        await asyncio.sleep(0)
        assert await taken(0.1) <= 12  # it has stood: a tenth
        await asyncio.sleep(0.3)
        assert await taken(0.2) >= 40  # nothing was refused for a while
        free.set()
        await asyncio.gather(*jobs)

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
