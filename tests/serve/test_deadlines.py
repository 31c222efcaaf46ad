"""The time that a request has, from its headers to its answer; and what is counted of a model while it waits."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from test_counting import samples

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.app import build_app
from eyas.serve.http import Problem, Request
from eyas.serve.http.content import Content
from eyas.serve.http.request import Head, Limits
from eyas.serve.metrics import Meter, Tables, render
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.service import Service
from eyas.serve.trust import open_gate

BODY = json.dumps({"data": [0.5] * 64}).encode()
DIGITS = ("digits", "digits-1")


class Desk:
    """A service in this process, asked without a socket."""

    def __init__(self, bundle: Bundle) -> None:
        models, config = Models(), ServeConfig(monitor=None)
        models.put("digits", Model(bundle, 1))
        self.tables = Tables(1)
        self.service = Service(models, config, Meter(self.tables.counts(0)))
        self.application = build_app(self.service, self.tables, open_gate(config))

    async def ask(self, seconds: float) -> int:
        """The status of a prediction that is to be there within so many seconds."""
        content = Content()
        content.add(BODY)
        content.end()
        head = Head("POST", "/predict", b"", {b"content-type": b"application/json"})
        request = Request(head, content, Limits(10_000, 5.0, seconds=seconds))
        answer = await self.application.respond(request)
        self.application.ended(request, answer)
        assert answer.status == 200 or b"serve.timeout_seconds" in answer.body
        return answer.status

    def counted(self) -> dict[tuple[str, ...], float]:
        return samples(render(self.tables).decode())


@pytest.fixture
def desk(grey: Bundle) -> Iterator[Desk]:
    made = Desk(grey)
    yield made
    made.service.lane.close()


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work()

    asyncio.run(bounded())


def test_a_request_whose_time_is_over_is_not_computed(desk: Desk) -> None:
    async def work() -> None:
        assert await desk.ask(seconds=0.0) == 504

    run(work)
    counted = desk.counted()
    assert counted["eyas_model_requests_total", "digits", "timeout", "digits-1"] == 1
    assert ("eyas_model_predict_seconds_count", *DIGITS) not in counted


def test_what_waits_is_counted_for_its_model_and_given_up_in_time(desk: Desk) -> None:
    async def work() -> None:
        free = threading.Event()
        holding = asyncio.create_task(desk.service.lane.run(1.0, free.wait))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # it is at hand now
        patient = asyncio.create_task(desk.ask(seconds=30.0))
        hasty = asyncio.create_task(desk.ask(seconds=1.0))
        await asyncio.sleep(0)
        during = desk.counted()
        assert await hasty == 504  # while the other still waits
        free.set()
        assert await patient == 200
        await holding
        for name in ("eyas_model_active_requests", "eyas_model_waiting_requests"):
            assert during[name, *DIGITS] == 2
            assert desk.counted()[name, *DIGITS] == 0
        assert during["http_server_active_requests", "POST", "http"] == 2
        assert during["eyas_waiting_requests",] == 2

    run(work)
    assert desk.counted()["eyas_model_predict_seconds_count", *DIGITS] == 1


def test_a_body_has_no_more_time_than_its_request() -> None:
    async def work() -> None:
        request = Request(Head("POST", "/predict", b"", {}), Content(), Limits(100, 5.0, seconds=0.02))
        with pytest.raises(Problem, match=r"the body must come within 0\.02 s \(serve\.timeout_seconds\)") as late:
            await request.body()
        assert late.value.status == 408

    run(work)
