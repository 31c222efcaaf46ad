"""A real service that tells of alarms and rollouts by itself, to a real receiver."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest

from eyas.bundle import Bundle, Repository
from eyas.rollout import Move, make_plan, rollouts_of
from support.bundles import CLASSES, make_bundle
from support.receiver import Receiver
from support.server import Server, running, start
from support.waiting import wait_until
from support.watching import clean, noise, predict, watcher_of


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Away at first."""
    made = Receiver()
    yield made
    made.stop()


def monitoring(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"webhooks": [f"{receiver.url}/pS3cret"], "most_per_second": 1e6, **more}


def told(server: Server) -> dict[str, Any]:
    """What `GET /monitor` says of the receiver."""
    answer = httpx.get(f"{server.url}/monitor")
    found: dict[str, Any] = answer.json()["alerts"][0] if answer.status_code == 200 else {}
    return found


def test_noise_is_told_to_a_webhook(grey: Bundle, receiver: Receiver) -> None:
    receiver.start()
    with running(grey.path, workers=2, monitor=monitoring(receiver)) as server:
        predict(server, clean(60)[0])
        bad = predict(server, noise(120))
        wait_until(lambda: receiver.events("drift"), seconds=20)
        found = receiver.events("drift")[0]
        assert (found["model"], found["version"], found["severity"]) == ("digits", "digits-1", "ticket")
        assert found["details"]["kind"] in found["summary"]
        assert {*found["details"]["examples"]} & {*bad}
        assert found["service"].endswith(f":{server.port}")
        wait_until(lambda: told(server).get("sent") == len(receiver.got), seconds=10)
        assert told(server) == {
            "kind": "webhook",
            "place": f"{receiver.url}/…",
            "sent": len(receiver.got),
            "waiting": 0,
            "given_up": {},
            "trouble": None,
        }
        code, log = server.stop()
    assert code == 0
    assert "pS3cret" not in log


def test_labels_that_prove_a_lower_accuracy_are_told(grey: Bundle, receiver: Receiver, tmp_path: Path) -> None:
    receiver.start()
    config = monitoring(receiver, folder=str(tmp_path / "monitor"))
    with running(grey.path, workers=1, monitor=config) as server:
        images, labels = clean(100)
        wrong = [CLASSES[(label + 1) % 10] for label in labels]
        feedback = [{"id": name, "label": label} for name, label in zip(predict(server, images), wrong, strict=True)]
        assert httpx.post(f"{server.url}/feedback", json={"feedback": feedback}).status_code == 200
        wait_until(lambda: receiver.events("low_accuracy"), seconds=20)
        found = receiver.events("low_accuracy")[0]
        assert found["details"]["feedback"]["upper"] < found["details"]["tested"]["lower"]


def test_an_alarm_outlives_a_watcher_that_is_killed_while_nobody_listens(
    grey: Bundle, receiver: Receiver, tmp_path: Path
) -> None:
    config = monitoring(receiver, folder=str(tmp_path / "monitor"))
    with running(grey.path, workers=1, monitor=config) as server:
        predict(server, clean(60)[0])
        predict(server, noise(120))
        wait_until(lambda: told(server).get("trouble"), seconds=20)
        assert (told(server)["trouble"], told(server)["waiting"]) == ("Connection refused", 1)
        os.kill(watcher_of(server), signal.SIGKILL)
        receiver.start()
        wait_until(lambda: receiver.events("drift"), seconds=30)
        ids = [one.body["id"] for one in receiver.got]
        assert len({*ids}) == len(ids)
        assert len(predict(server, clean(5)[0])) == 5


def test_a_rollout_tells_that_it_is_rolled_back(receiver: Receiver, tmp_path: Path) -> None:
    receiver.start()
    repository = Repository(tmp_path / "models")
    repository.publish(make_bundle(tmp_path / "old", version="digits-1").path, live=True)
    repository.publish(make_bundle(tmp_path / "bad", version="digits-bad", sharpness=-1).path)
    store = rollouts_of(repository, "digits")
    plan = {"champion": "digits-1", "challenger": "digits-bad", "mode": "shadow", "stage_requests": 10_000}
    config = monitoring(receiver)
    with running(repository.path, workers=2, poll_seconds=0.2, monitor=config) as server:
        wait_until(lambda: told(server), seconds=20)
        store.start(
            make_plan({**plan, "latency_ratio": None, "stage_seconds": 0}), by="ann", why="to try it", now=time()
        )
        asked = iter(clean(300)[0] * 20)

        def taken_back() -> bool:
            predict(server, [next(asked) for _ in range(10)])
            return any(one["details"]["kind"] == Move.ROLL_BACK for one in receiver.events("rollout"))

        wait_until(taken_back, seconds=60)
    start, *_, back = receiver.events("rollout")
    assert (start["details"]["kind"], start["details"]["by"]) == ("start", "ann")
    assert start["details"]["why"] == ["to try it", "started without the gate"]
    assert (back["model"], back["version"], back["severity"]) == ("digits", "digits-bad", "ticket")
    assert (back["details"]["by"], back["details"]["status"]) == ("eyas", "rolled back")
    assert "names another class" in back["summary"]


def test_a_challenger_that_is_refused_before_anybody_watches_is_told(receiver: Receiver, tmp_path: Path) -> None:
    receiver.start()
    repository = Repository(tmp_path / "models")
    repository.publish(make_bundle(tmp_path / "old", version="digits-1").path, live=True)
    repository.publish(make_bundle(tmp_path / "new", version="digits-2").path)
    plan = make_plan({"champion": "digits-1", "challenger": "digits-2", "mode": "canary", "stages": [1.0]})
    rollouts_of(repository, "digits").start(plan, by="ann", why="", now=time())
    (repository.folder("digits", "digits-2") / "model.onnx").write_bytes(b"damaged")
    with running(repository.path, workers=1, poll_seconds=0.2, monitor=monitoring(receiver)):
        wait_until(lambda: receiver.events("rollout"), seconds=30)
    (found,) = receiver.events("rollout")
    assert found["details"]["kind"] == "roll back"
    assert "refused" in found["summary"]


def test_an_address_of_a_runs_configuration_is_refused(grey: Bundle) -> None:
    server = start(grey.path, monitor={"webhooks": ["http://127.0.0.1:9", "https://hooks.example.com/…"]})
    _, said = server.process.communicate(timeout=30)
    assert server.process.returncode != 0
    says = "serve.monitor.webhooks.1 was left out of a copy, which has https://hooks.example.com/…; give it again"
    assert f"ConfigError: {says}" in said
