"""What the monitor knows of the predictions, and what people know of them better."""

from __future__ import annotations

from eyas.serve.http import Answer, Endpoint, Problem, Request
from eyas.serve.monitor_status import MonitorStatus
from eyas.serve.service import Service


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """None, where nothing is watched."""
    board = service.board
    if board is None:
        return ()

    async def monitor(request: Request) -> Answer:
        if not (text := board.read()):
            raise Problem(503, "the monitor has not begun yet", headers={"Retry-After": "1"})
        return Answer(text)

    what = "Did the model's world change, and since when? What does feedback say of it?"
    return (Endpoint("GET", "/monitor", what, monitor, MonitorStatus, scope="admin"),)
