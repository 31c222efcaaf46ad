"""A real service that tells a real Alertmanager, which tells a receiver of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import time

import httpx
import numpy as np
import pytest

from eyas.bundle import Bundle
from eyas.core.moments import iso
from eyas.image import ImagePolicy
from eyas.serve.alerts import receivers
from eyas.serve.alerts.courier import Courier
from eyas.serve.alerts.events import ended, event, seconds_of
from eyas.serve.alerts.posting import Address
from eyas.serve.alerts.receivers import Alertmanager
from support.alertmanager import Running, alertmanager, needs_alertmanager
from support.bundles import VAL, digits
from support.receiver import Receiver
from support.server import running
from support.waiting import wait_until

pytestmark = needs_alertmanager


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def manager(receiver: Receiver, tmp_path: Path) -> Iterator[Running]:
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    with alertmanager(folder, receiver.url) as made:
        yield made


def passed_on(receiver: Receiver) -> list[tuple[str, str]]:
    """Name and status of each alert that Alertmanager told of."""
    return [(one["labels"]["alertname"], one["status"]) for got in [*receiver.got] for one in got.body["alerts"]]


def test_noise_is_an_alert(grey: Bundle, manager: Running, receiver: Receiver) -> None:
    images, _ = digits(ImagePolicy(8, 8, 1), VAL)
    bad = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1))
    config = {"alertmanager": manager.url, "most_per_second": 1e6}
    with running(grey.path, workers=1, monitor=config) as server, httpx.Client(base_url=server.url) as client:
        for image in [*images[:60].tolist(), *bad.tolist()]:
            client.post("/predict", json={"data": image, "range": 255})
        wait_until(lambda: ("EyasDrift", "firing") in passed_on(receiver), seconds=20)
        found = next(one for one in manager.alerts() if one["labels"]["alertname"] == "EyasDrift")
        assert found["labels"]["model"] == "digits"
        assert found["annotations"]["summary"] == "Predictions have drifted: digits digits-1"
        assert found["generatorURL"] == f"{server.url}/monitor"
        told = client.get("/monitor").json()["alerts"][0]
        assert (told["kind"], told["place"], told["trouble"]) == ("alertmanager", manager.url, None)


def test_what_goes_on_is_told_again_until_it_is_over(
    manager: Running, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Alertmanager, "every", 0.2)
    began = event("drift", "host:5000", ("m", "1"), "it drifts", {"kind": "outliers"}, time=iso(time() - 5))
    made = Courier(Alertmanager(Address(manager.url), "http://host:5000"), ())
    made.put([began], [began])
    wait_until(lambda: ("EyasDrift", "firing") in passed_on(receiver), seconds=20)
    first = seconds_of(manager.alerts()[0]["endsAt"])
    assert first > time() + 200
    wait_until(lambda: seconds_of(manager.alerts()[0]["endsAt"]) > first, seconds=20)
    made.put([ended(began, "it is over", iso(time()))], [])
    wait_until(lambda: ("EyasDrift", "resolved") in passed_on(receiver), seconds=20)
    assert manager.alerts() == []
    made.close(5)


def test_a_condition_of_which_nobody_speaks_any_more_is_over(
    manager: Running, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receivers, "GOES_ON_SECONDS", 2.0)
    to = Alertmanager(Address(manager.url), "http://host:5000")
    to.tell(event("store_trouble", "host:5000", (None, None), "disk full", {}, time=iso(time()), severity="ticket"))
    wait_until(lambda: ("EyasStoreTrouble", "firing") in passed_on(receiver), seconds=20)
    wait_until(lambda: ("EyasStoreTrouble", "resolved") in passed_on(receiver), seconds=30)


def test_a_move_of_a_rollout_is_shown_for_a_while(manager: Running, receiver: Receiver) -> None:
    details = {"kind": "roll back", "why": ["it is slow"]}
    moved = event("rollout", "host:5000", ("m", "2"), "m: 2 is back", details, time=iso(time()), severity="ticket")
    Alertmanager(Address(f"{manager.url}/"), "http://host:5000").tell(moved)
    wait_until(lambda: passed_on(receiver) == [("EyasRollout", "firing")], seconds=20)
    (found,) = manager.alerts()
    assert (found["labels"]["kind"], found["annotations"]["description"]) == ("roll back", "m: 2 is back")
    assert seconds_of(found["endsAt"]) > time() + 800
