"""What both clients do where a service, or the way to it, fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic
from typing import Any

import pytest
from unsteady_server import ANSWER, break_off, drip, drop, ok, problem, say, slam, stall, talk_nonsense, unsteady

from eyas.client import Client, ServiceError
from eyas.client.patience import BACKOFF_SECONDS, LONGEST_BACKOFF, Patience
from eyas.core.retry_after import read_retry_after
from support.server import free_port

IMAGE = b"this server does not look into it"
PAIR = {key: value * 2 if isinstance(value, list) else value for key, value in ANSWER.items()}
NEXT = {401: "; EYAS_TOKEN must hold .*"}


def test_a_busy_service_is_asked_again_when_it_says(ask: Any) -> None:
    with unsteady(problem(503, "busy", {"Retry-After": "1"}), ok) as server:
        began = monotonic()
        assert ask(server.url, "predict", IMAGE).labels == ("dog",)
        assert 1 <= monotonic() - began < 10
    assert [asked.body for asked in server.requests] == [IMAGE] * 2


@pytest.mark.parametrize("trouble", [problem(429, "slow down"), say(502, b""), say(504, b""), drop, break_off])
def test_what_may_pass_is_tried_again(ask: Any, trouble: Any) -> None:
    with unsteady(trouble, trouble, ok) as server:
        assert ask(server.url, "predict", IMAGE).version == "pets-1"
    assert [asked.body for asked in server.requests] == [IMAGE] * 3


def test_a_form_is_sent_again_as_it_was(ask: Any) -> None:
    with unsteady(drop, say(200, PAIR)) as server:
        assert ask(server.url, "predict", [b"one", b"two"]).labels == ("dog", "dog")
    first, second = (asked.body for asked in server.requests)
    assert first == second
    assert b'filename="image 2"' in first


def test_tries_are_counted(ask: Any) -> None:
    with unsteady(problem(503, "busy")) as server:
        with pytest.raises(ServiceError, match="gave 503: busy") as caught:
            ask(server.url, "predict", IMAGE, options={"tries": 2})
        assert (caught.value.status, caught.value.request_id) == (503, "r-1")
        assert len(server.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 415, 422, 500])
def test_what_will_not_pass_is_not(ask: Any, status: int) -> None:
    with unsteady(problem(status, "the rule, and what came", pointer="/data/3")) as server:
        with pytest.raises(
            ServiceError, match=f"gave {status}: the rule, and what came{NEXT.get(status, '')}$"
        ) as caught:
            ask(server.url, "predict", IMAGE)
        assert len(server.requests) == 1
    error = caught.value
    assert (error.status, error.detail, error.pointer) == (status, "the rule, and what came", "/data/3")


def test_a_wait_longer_than_the_call_is_not_begun(ask: Any) -> None:
    with unsteady(problem(429, "slow down", {"Retry-After": "3600"})) as server:
        began = monotonic()
        with pytest.raises(ServiceError, match="slow down") as caught:
            ask(server.url, "predict", IMAGE)
        assert monotonic() - began < 5
        assert caught.value.retry_after == 3600
        assert len(server.requests) == 1


def test_nobody_there(ask: Any) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServiceError, match=r"GET http.*/health: no answer: .*\(tried 3 times\)") as caught:
        ask(url, "health")
    assert caught.value.status is None
    assert ask(url, "ready") is False


def test_a_large_body_that_is_cut_off_gets_a_hint(ask: Any) -> None:
    with (
        unsteady(slam) as server,
        pytest.raises(ServiceError, match=r"no answer: .*limit: this one has 9,000,000 bytes"),
    ):
        ask(server.url, "predict", bytes(9_000_000))


@pytest.mark.parametrize("trouble", [stall, drip])
def test_a_call_has_an_end(ask: Any, trouble: Any) -> None:
    with unsteady(trouble) as server:
        began = monotonic()
        with pytest.raises(ServiceError, match=r"/predict: no answer within 0.3 s$"):
            ask(server.url, "predict", IMAGE, options={"timeout": 0.3})
        assert 0.3 <= monotonic() - began < 3
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (say(200, b"<html>\x1b[31m", "text/html"), r"gave 200 with no prediction: '<html>\\x1b\[31m'"),
        (say(200, [1]), "gave 200 with no prediction: '"),
        (say(200, ANSWER | {"labels": []}), "gave 200 with no prediction"),
        (say(200, ANSWER | {"confidence": ["high"]}), "gave 200 with no prediction"),
        (say(200, PAIR), "gave 200 with 2 predictions for 1 images"),
        (say(500, b"x" * 999, "text/html"), "gave 500 'x{200}'…$"),
        (say(400, b""), "gave 400 and an empty body"),
        (say(400, b"[]", "application/problem+json"), r"gave 400 '\[\]'"),
        (say(400, {"title": "Odd"}, "application/problem+json"), "gave 400: Odd"),
        (say(308, b"", Location="https://elsewhere/predict"), "gave 308, moved to https://elsewhere/predict and an"),
        (talk_nonsense, "no answer: .*SSH-2.0"),
    ],
)
def test_rubbish_is_shown(ask: Any, trouble: Any, said: str) -> None:
    with unsteady(trouble) as server, pytest.raises(ServiceError, match=said):
        ask(server.url, "predict", IMAGE)


def test_rubbish_of_other_endpoints_is_shown(ask: Any) -> None:
    with unsteady(say(200, [1])) as server, pytest.raises(ServiceError, match="gave 200 with no JSON object"):
        ask(server.url, "model_info")
    with unsteady(say(404, b"")) as server, pytest.raises(ServiceError, match="/readyz gave 404"):
        ask(server.url, "ready")


def test_ready_asks_once(ask: Any) -> None:
    with unsteady(problem(503, "loading"), ok) as server:
        assert ask(server.url, "ready") is False
        assert ask(server.url, "ready") is True
        assert len(server.requests) == 2


def test_connections_are_kept() -> None:
    with unsteady(ok) as server:
        with Client(server.url) as client:
            for _ in range(5):
                client.predict(IMAGE)
        assert (len(server.requests), server.connections) == (5, 1)


def test_what_is_sent(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EYAS_TOKEN", "from.environment\n")
    with unsteady(ok) as server:
        monkeypatch.setenv("EYAS_URL", server.url + "/models/pets")
        ask(None, "predict", IMAGE, model="a b", version="1&2")
        ask(server.url, "predict", IMAGE, options={"token": "given"})
        ask(server.url, "predict", IMAGE, options={"token": ""})
    first, second, third = server.requests
    assert [asked.headers.get("authorization") for asked in server.requests] == [
        "Bearer from.environment",
        "Bearer given",
        None,
    ]
    assert [first.path, second.path] == ["/models/pets/predict?model=a+b&version=1%262", "/predict"]
    assert third.headers["content-type"] == "application/octet-stream"
    assert third.headers["user-agent"].startswith("eyas/")


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=90)
    assert read_retry_after("120") == 120
    assert read_retry_after(format_datetime(soon, usegmt=True)) == pytest.approx(90, abs=5)
    assert read_retry_after("Fri, 01 Jan 2010 00:00:00 GMT") == 0
    assert [read_retry_after(text) for text in ("", "soon", "-5", "1.5", "²", "9" * 400)] == [None] * 6


def test_pauses_double_at_random_up_to_a_bound() -> None:
    patience = Patience()
    for tried, longest in ((1, BACKOFF_SECONDS), (2, 2 * BACKOFF_SECONDS), (50, LONGEST_BACKOFF)):
        drawn = [patience.pause(tried) for _ in range(200)]
        assert 0 <= min(drawn) < max(drawn) <= longest
        assert max(drawn) > longest / 2
        assert 7 <= patience.pause(tried, 7.0) <= 7 + longest
