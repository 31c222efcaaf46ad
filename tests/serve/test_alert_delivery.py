"""How an event is sent, and what becomes of it where nobody takes it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from time import monotonic, time

import pytest

from eyas.core.moments import iso
from eyas.serve.alerts import courier, posting
from eyas.serve.alerts.courier import Courier
from eyas.serve.alerts.events import Event, event
from eyas.serve.alerts.posting import Address, DeliveryError, post
from eyas.serve.alerts.receivers import Webhook, alert
from support.receiver import Receiver
from support.waiting import wait_until

NOW = 1_700_000_000.0
SERVICE = "host:5000"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


class Broken(Webhook):
    """Has a fault until it works."""

    works = False

    def tell(self, event: Event) -> None:
        if not self.works:
            raise KeyError("pS3cret")
        super().tell(event)


def some(number: int = 1) -> Event:
    return event(
        "drift", SERVICE, ("m", "1"), f"event {number}", {"kind": "outliers"}, time=iso(time()), key=f"{number}"
    )


def test_a_webhook_gets_the_event_its_id_and_the_token(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pS3cret\n")
    Webhook(Address(f"{receiver.url}/hook?key=1", str(tmp_path / "token"))).tell(some())
    (got,) = receiver.got
    assert got.path == "/hook?key=1"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["authorization"] == "Bearer pS3cret"
    assert (got.headers["x-eyas-event"], got.headers["x-eyas-event-id"]) == ("drift", got.body["id"])
    assert [*got.body] == [
        "id", "event", "severity", "service", "model", "version", "time", "since", "summary", "text", "details"
    ]  # fmt: skip


def test_a_user_and_a_password_of_the_url_are_sent_as_basic(receiver: Receiver) -> None:
    Webhook(Address(receiver.url.replace("://", "://me:p%40ss@"))).tell(some())
    assert receiver.got[0].headers["authorization"] == "Basic bWU6cEBzcw=="


@pytest.mark.parametrize(
    ("status", "headers", "says", "final"),
    [
        (302, {"Location": "http://127.0.0.1:1/pS3cret"}, "302 Found, and redirects are not followed", False),
        (307, {"Location": "http://127.0.0.1:1/pS3cret"}, "307 Temporary Redirect, and redirects", False),
        (400, {}, "400 Bad Request", True),
        (401, {}, "401 Unauthorized", False),
        (403, {}, "403 Forbidden", False),
        (404, {}, "404 Not Found", False),
        (410, {}, "410 Gone", True),
        (413, {}, "413 ", True),
        (422, {}, "422 ", True),
        (429, {"Retry-After": "7"}, "429 Too Many Requests", False),
        (503, {"Retry-After": "Fri, 01 Jan 2010 00:00:00 GMT"}, "503 Service Unavailable", False),
        (599, {}, "599", False),
    ],
)
def test_what_a_receiver_answers_decides_whether_it_is_asked_again(
    receiver: Receiver, status: int, headers: dict[str, str], says: str, final: bool
) -> None:
    receiver.answers = [(status, headers)]
    with pytest.raises(DeliveryError, match=says) as caught:
        post(Address(receiver.url), b"{}", {})
    assert (caught.value.final, caught.value.after) == (final, {429: 7.0, 503: 0.0}.get(status))
    assert (len(receiver.refused), receiver.got) == (1, [])


def test_an_error_holds_no_secret(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError) as caught:
        post(Address("http://127.0.0.1:1/pS3cret"), b"{}", {})
    assert str(caught.value) == "Connection refused"
    with pytest.raises(DeliveryError, match=r"cannot read .*: No such file"):
        post(Address("http://127.0.0.1:1/pS3cret", str(tmp_path / "nothing")), b"{}", {})
    with pytest.raises(DeliveryError) as caught:
        post(Address("http://127.0.0.1:1/pS3cret/…"), b"{}", {})
    assert str(caught.value) == "UnicodeEncodeError"
    assert caught.value.final


@pytest.mark.parametrize("content", [b"pS3cret\xc3", b"pS3cret\npS", b"pS3cret\xc3\xa9", b"\n"])
def test_a_token_that_is_no_token_now_may_be_one_later(receiver: Receiver, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(DeliveryError) as caught:
        post(Address(receiver.url, str(tmp_path / "token")), b"{}", {})
    assert str(caught.value) == f"{tmp_path / 'token'} holds no token, which is printable ASCII without spaces"
    assert (caught.value.final, receiver.refused, receiver.got) == (False, [], [])


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short."""
    monkeypatch.setattr(courier, "LONGEST_PAUSE", 0.05)


@pytest.mark.usefixtures("hasty")
def test_events_come_in_order_after_a_receiver_that_was_away(caplog: pytest.LogCaptureFixture) -> None:
    away = Receiver()
    made = Courier(Webhook(Address(f"{away.url}/pS3cret")), [some(1)])
    made.put([some(2)], [])
    wait_until(lambda: made.status().trouble, seconds=10)
    state = made.status()
    assert (state.kind, state.place, state.sent, state.waiting) == ("webhook", f"{away.url}/…", 0, 2)
    away.answers = [(503, {})]
    away.start()
    made.put([some(3)], [])
    wait_until(lambda: made.status().sent == 3, seconds=10)
    assert [one.body["summary"] for one in away.got] == ["event 1", "event 2", "event 3"]
    assert (made.status().waiting, made.status().trouble, made.waiting()) == (0, None, [])
    made.close(5)
    away.stop()
    assert "pS3cret" not in caplog.text
    assert caplog.text.count("Connection refused; it is tried again") == 1


def test_what_is_refused_is_given_up_and_counted_and_the_next_is_tried(receiver: Receiver) -> None:
    receiver.answers = [(422, {}), (410, {})]
    made = Courier(Webhook(Address(receiver.url)), ())
    made.put([some(1), some(2), some(3)], [])
    wait_until(lambda: made.status().sent == 1, seconds=10)
    assert made.status().given_up == {f"422 {HTTPStatus(422).phrase}": 1, "410 Gone": 1}
    assert receiver.got[0].body["summary"] == "event 3"
    made.close(5)


def test_the_oldest_make_room_and_what_is_too_old_is_given_up() -> None:
    old = event("drift", SERVICE, ("m", "1"), "old", {}, time=iso(time() - 90_000))
    made = Courier(Webhook(Address(Receiver().url)), [old])
    wait_until(lambda: made.status().given_up == {"older than a day": 1}, seconds=10)
    made.put([some(number) for number in range(courier.MOST + 7)], [])
    assert made.status().given_up["no room for more"] == 7
    assert made.waiting()[0].summary == "event 7"
    made.close(5)


@pytest.mark.usefixtures("hasty")
def test_a_fault_of_a_receivers_code_is_told_and_ends_nothing(receiver: Receiver) -> None:
    broken = Broken(Address(receiver.url))
    made = Courier(broken, [some(1)])
    wait_until(lambda: made.status().trouble, seconds=10)
    assert re.fullmatch(r"KeyError in test_alert_delivery.py, line \d+", made.status().trouble or "")
    assert made.status().waiting == 1
    broken.works = True
    wait_until(lambda: made.status().sent == 1, seconds=10)
    made.close(5)


def test_a_reminder_tells_alertmanager_until_when_to_believe_it() -> None:
    began = some()
    told = alert(began, "http://host:5000", NOW)
    assert told["labels"] == {
        "alertname": "EyasDrift",
        "service": SERVICE,
        "severity": "ticket",
        "model": "m",
        "version": "1",
        "kind": "outliers",
    }
    assert (told["startsAt"], told["endsAt"]) == (began.since, iso(NOW + 240))
    assert told["generatorURL"] == "http://host:5000/monitor"


def test_a_receiver_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        made = Courier(Webhook(Address(f"http://127.0.0.1:{silent.getsockname()[1]}")), ())
        began = monotonic()
        made.put([some()], [])
        assert monotonic() - began < 0.4
        wait_until(lambda: made.status().trouble == "no answer within 0.5 s", seconds=10)
        made.close(5)
    assert [one.summary for one in made.waiting()] == ["event 1"]
