"""A coroutine that need not wait needs no task."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any


def begin(work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run a coroutine until it first waits.

    Up to there it belongs to no task, and so cannot use `asyncio.timeout`.

    Returns:
        A task that takes it on from there; None where it has ended.

    Raises:
        Exception: whatever it raises before it waits.
    """
    try:
        waits_for = work.send(None)
    except StopIteration:
        return None
    task = asyncio.get_running_loop().create_task(_go_on(work, waits_for))
    task.add_done_callback(lambda ended: work.close())  # where it was cancelled before it could begin
    return task


async def _go_on(work: Coroutine[Any, Any, None], waits_for: Any) -> None:
    await _passed_on(work, waits_for)


@coroutine
def _passed_on(work: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """To a task, what a coroutine waits for; and to the coroutine, what comes of it."""
    while True:
        thrown: BaseException | None = None
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001  (a task's way to cancel)
            thrown = error
        try:
            waits_for = work.throw(thrown) if thrown else work.send(None)
        except StopIteration:
            return
