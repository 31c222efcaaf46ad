"""The one place in a worker where images are decoded and predicted, a job at a time, in the order that they came.

job ─ lane free, and the job short ─► done at once, on the event loop: no thread to wake
    └ else ─► waits ─► short ones on the loop, a few between two looks at the network; long ones in a thread
    └ more work waits than `max_wait` allows ─► 503 at once, before the body is looked into

A burst may fill the queue. One that stays full makes every answer late: then a tenth of it must do, until nobody has
waited for a while (after CoDel: Nichols & Jacobson 2012, "Controlling queue delay").

More jobs at once than cores would only make each of them slower: a worker has one core, and one lane.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from time import monotonic, perf_counter
from typing import Any, TypeVar

from eyas.serve.http import Problem

T = TypeVar("T")
Named = tuple[str, str]
"""Name and version of a model."""
SHORT = 0.004  # seconds of a job on the loop, during which nothing else is answered
TURN = 0.002  # seconds of several jobs between two looks at the network
# In units of `max_wait`: a queue stands that is above HIGH for PATIENCE while jobs are taken from it. It is then kept
# to LOW, until nobody has waited for as long.
HIGH, PATIENCE, LOW = 0.5, 2.0, 0.1


@dataclass(slots=True)
class _Job:
    seconds: float
    work: Callable[[], Any]
    done: asyncio.Future[Any]
    late: asyncio.TimerHandle
    model: Named | None
    taken: bool = False


class Lane:
    """Runs jobs one after the other; used from one event loop alone.

    Args:
        max_wait: seconds of work that may wait; one job may always.
        timeout: seconds after which nobody waits for a job, where it does not say until when.
        watch: told how many jobs wait, whenever that changes, and of which model one comes (1) or goes (-1).
    """

    def __init__(self, max_wait: float, timeout: float, watch: Callable[[int, Named | None, int], None]) -> None:
        self._max_wait, self._timeout, self._watch = max_wait, timeout, watch
        self._waiting: deque[_Job] = deque()
        self._seconds = 0.0  # of the jobs that wait
        self._high_since: float | None = None
        self._empty_since = monotonic()
        self._stands = False
        self._left = TURN  # in this turn of the loop
        self._runner: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "lane")

    @property
    def idle(self) -> bool:
        """Whether a job would begin at once."""
        return self._runner is None and self._left == TURN

    async def run(
        self, seconds: float, work: Callable[[], T], until: float | None = None, model: Named | None = None
    ) -> T:
        """What `work()` gives.

        Args:
            seconds: what it will take, roughly.
            work: called on the event loop where it is short, else in a thread.
            until: when it must be done, by `perf_counter`. It is not begun later; a thread that is at it goes on, but
                nobody waits for it.
            model: that it is for.

        Raises:
            Problem: 503, too much waits already; 504, it was not done in time.
            Exception: whatever `work` raises.
        """
        if until is not None and perf_counter() >= until:
            raise self._late()
        if self._runner is None and (seconds <= self._left or (self.idle and seconds <= SHORT)):
            if self._left == TURN:
                asyncio.get_running_loop().call_soon(self._next_turn)
            self._left -= seconds
            return work()
        self.require_room(seconds)
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        left = self._timeout if until is None else until - perf_counter()
        job = _Job(seconds, work, done, loop.call_later(left, self._give_up, done), model)
        if not self._waiting and monotonic() - self._empty_since > LOW * self._max_wait:
            self._stands = False
        self._waiting.append(job)
        self._seconds += seconds
        self._watch(len(self._waiting), model, 1)
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        try:
            result: T = await job.done
        finally:
            if not job.taken:  # nobody waits for it any more: it takes no time, and holds no body
                self._seconds -= job.seconds
                job.seconds, job.work = 0.0, _nothing
        return result

    def require_room(self, seconds: float = 0.0) -> None:
        """Do nothing where another job, of so many seconds, may wait.

        Raises:
            Problem: 503, too much waits already.
        """
        long = self._seconds + seconds > self._max_wait or (self._stands and self._seconds > LOW * self._max_wait)
        if self._waiting and long:
            raise self._full()

    def close(self) -> None:
        """End the thread once its job is done."""
        self._thread.shutdown(wait=False)

    def _next_turn(self) -> None:
        self._left = TURN

    def _take(self) -> _Job:
        """The next job leaves the queue."""
        job = self._waiting.popleft()
        job.taken = True
        self._seconds -= job.seconds
        now = monotonic()
        if self._seconds <= HIGH * self._max_wait:
            self._high_since = None
        elif self._high_since is None:
            self._high_since = now
        elif now - self._high_since > PATIENCE * self._max_wait:
            self._stands = True
        if not self._waiting:
            self._empty_since = now
        self._watch(len(self._waiting), job.model, -1)
        return job

    async def _run(self) -> None:
        try:
            while self._waiting:
                job = self._take()
                if not job.done.done():  # else its client has left, or it has waited too long
                    await self._do(job)
                job.late.cancel()
        finally:
            self._seconds, self._left, self._runner = 0.0, TURN, None

    async def _do(self, job: _Job) -> None:
        short = job.seconds <= SHORT
        if short and job.seconds > self._left:
            await asyncio.sleep(0)  # /livez and new requests are looked at first
            self._left = TURN
        self._left -= job.seconds
        try:
            result = job.work() if short else await asyncio.get_running_loop().run_in_executor(self._thread, job.work)
        except Exception as error:  # noqa: BLE001  (handed to who waits for it)
            if not job.done.done():
                job.done.set_exception(error)
        else:
            if not job.done.done():
                job.done.set_result(result)

    def _full(self) -> Problem:
        return Problem(
            503,
            f"{len(self._waiting)} requests wait already, {self._seconds:.2g} s of work",
            headers={"Retry-After": str(max(1, ceil(self._seconds)))},
        )

    def _give_up(self, done: asyncio.Future[Any]) -> None:
        if not done.done():
            done.set_exception(self._late())

    def _late(self) -> Problem:
        return Problem(504, f"the request was not answered within {self._timeout:g} s (serve.timeout_seconds)")


def _nothing() -> None:
    """The work of a job that has been given up."""
