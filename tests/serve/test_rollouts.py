"""Real services that let a new version take over by degrees: users stay with their arm, a bad one is taken back."""

from __future__ import annotations

import fcntl
import json
from contextlib import ExitStack
from pathlib import Path
from time import time
from typing import Any

import httpx
import numpy as np
import pytest

from eyas.bundle import Repository
from eyas.image import ImagePolicy
from eyas.rollout import GateReport, Move, Rollout, RolloutStore, Status, make_plan, rollouts_of
from support import defects
from support.bundles import CLASSES, VAL, digits, make_bundle
from support.server import Server, running
from support.waiting import wait_until

OLD, NEW = "digits-1", "digits-2"
QUICK: dict[str, Any] = {"stage_seconds": 0, "stage_requests": 20, "latency_ratio": None}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """`OLD` is live; `NEW` gives the same classes with other probabilities."""
    made = Repository(tmp_path / "models")
    made.publish(make_bundle(tmp_path / "old", version=OLD).path, live=True)
    made.publish(make_bundle(tmp_path / "new", version=NEW, sharpness=1.1).path)
    return made


def serving(repository: Repository, folder: Path) -> Any:
    config = {"folder": str(folder), "most_per_second": 1e6}
    return running(repository.path, workers=2, poll_seconds=0.2, monitor=config)


def begin(repository: Repository, *, gated: bool = True, **plan: Any) -> RolloutStore:
    store = rollouts_of(repository, "digits")
    values = {"champion": OLD, "challenger": NEW, "salt": "the same users in every run", **QUICK, **plan}
    gate = GateReport(()) if gated else None
    store.start(make_plan(values), by="test", why="to try it", now=time(), gate=gate)
    return store


def now_of(store: RolloutStore) -> Rollout:
    found = store.current()
    assert found is not None
    return found


def images(count: int) -> tuple[list[Any], list[int]]:
    found, labels = digits(ImagePolicy(8, 8, 1), VAL)
    drawn = np.random.default_rng(0).integers(0, len(found), count)
    return found[drawn].tolist(), labels[drawn].tolist()


def ask(client: httpx.Client, image: Any, user: str = "") -> dict[str, Any]:
    answer = client.post("/predict", json={"data": image, "range": 255}, headers={"X-User-Id": user} if user else {})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def rollout_of(server: Server) -> dict[str, Any]:
    answer = httpx.get(f"{server.url}/monitor")
    found: dict[str, Any] = next(iter(answer.json().get("rollouts", [])), {}) if answer.status_code == 200 else {}
    return found


def test_a_user_stays_with_an_arm_and_never_goes_back(repository: Repository, tmp_path: Path) -> None:
    store = begin(repository, mode="canary", stages=[0.2, 0.6, 1.0], stage_requests=10_000)
    users = [f"user-{number}" for number in range(60)]
    (image,), _ = images(1)

    def arms(client: httpx.Client) -> dict[str, str]:
        return {user: ask(client, image, user)["version"] for user in users}

    with serving(repository, tmp_path / "monitor") as server, httpx.Client(base_url=server.url) as client:
        wait_until(lambda: rollout_of(server).get("share") == 0.2, seconds=20)
        first = arms(client)
        assert arms(client) == first
        assert 3 <= sum(version == NEW for version in first.values()) <= 24
        store.move(Move.ADVANCE, by="test", why="next", now=time())
        wait_until(lambda: rollout_of(server).get("share") == 0.6, seconds=20)
        second = arms(client)
        assert all(second[user] == NEW for user in users if first[user] == NEW)
        assert sum(version == NEW for version in second.values()) > sum(version == NEW for version in first.values())
        store.move(Move.ROLL_BACK, by="test", why="enough", now=time())
        wait_until(lambda: {*arms(client).values()} == {OLD}, seconds=20)


def test_a_good_canary_goes_from_stage_to_stage_and_becomes_live(repository: Repository, tmp_path: Path) -> None:
    store = begin(repository, mode="canary", stages=[0.3, 1.0])
    many, _ = images(400)
    with serving(repository, tmp_path / "monitor") as server, httpx.Client(base_url=server.url) as client:
        wait_until(lambda: rollout_of(server) != {}, seconds=20)
        asked = iter(many * 20)

        def promoted() -> bool:
            for _ in range(20):
                ask(client, next(asked))
            return now_of(store).status is Status.PROMOTED

        wait_until(promoted, seconds=60)
        live = repository.live("digits")
        assert live is not None
        assert (live.version, live.by) == (NEW, "eyas")
        wait_until(lambda: ask(client, many[0])["version"] == NEW, seconds=20)
        assert [entry.move for entry in store.history()] == [Move.START, Move.ADVANCE, Move.PROMOTE]
        assert all(entry.by == "eyas" for entry in store.history()[1:])


def test_an_ungated_canary_is_held_at_its_last_stage_until_labels_speak(repository: Repository, tmp_path: Path) -> None:
    store = begin(repository, gated=False, mode="canary", stages=[0.5], margin=0.3)
    many, labels = images(400)
    with serving(repository, tmp_path / "monitor") as server, httpx.Client(base_url=server.url) as client:
        wait_until(lambda: rollout_of(server) != {}, seconds=20)
        told = []
        for image, label in zip(many, labels, strict=True):
            told.append({"id": ask(client, image)["id"], "label": CLASSES[label]})
        wait_until(lambda: "started without the gate" in " ".join(rollout_of(server)["reasons"]), seconds=20)
        assert now_of(store).status is Status.RUNNING
        assert client.post("/feedback", json={"feedback": told}).status_code == 200
        wait_until(lambda: now_of(store).status is Status.PROMOTED, seconds=30)
        assert "the loss of accuracy is at most" in store.history()[-1].why[1]


def test_labels_that_say_it_is_worse_take_it_back(repository: Repository, tmp_path: Path) -> None:
    repository.publish(make_bundle(tmp_path / "bad", version="digits-bad", sharpness=-1).path)
    store = begin(repository, mode="ab", stages=[0.5], challenger="digits-bad", stage_requests=10_000)
    many, labels = images(600)
    with serving(repository, tmp_path / "monitor") as server, httpx.Client(base_url=server.url) as client:
        wait_until(lambda: rollout_of(server) != {}, seconds=20)
        told = []
        for image, label in zip(many, labels, strict=True):
            told.append({"id": ask(client, image)["id"], "label": CLASSES[label]})
        assert client.post("/feedback", json={"feedback": told}).status_code == 200
        wait_until(lambda: now_of(store).status is Status.ROLLED_BACK, seconds=30)
        last = store.history()[-1]
        assert "accuracy is lower" in last.why[0]
        assert last.evidence is not None
        assert 100 < sum(last.evidence["labelled"]) <= 600  # it need not wait for the last ones
        wait_until(lambda: {ask(client, image)["version"] for image in many[:30]} == {OLD}, seconds=20)
        assert repository.live("digits").version == OLD  # type: ignore[union-attr]


def test_failing_requests_take_it_back_and_nothing_is_dropped(repository: Repository, tmp_path: Path) -> None:
    repository.publish(make_bundle(tmp_path / "bad", version="digits-fails", fails_on_white=True).path)
    store = begin(repository, mode="canary", stages=[0.5, 1.0], challenger="digits-fails", stage_requests=10_000)
    white = {"data": [[255] * 8] * 8, "range": 255}
    with serving(repository, tmp_path / "monitor") as server, httpx.Client(base_url=server.url) as client:
        wait_until(lambda: rollout_of(server) != {}, seconds=20)
        statuses: list[int] = []
        while (
            statuses.count(500) < 6 or 200 not in statuses
        ):  # each failure is a long line in the log, which nobody reads meanwhile
            statuses.append(client.post("/predict", json=white).status_code)
        assert {*statuses} == {200, 500}
        wait_until(lambda: now_of(store).status is Status.ROLLED_BACK, seconds=30)
        assert "requests in 300 s failed" in store.history()[-1].why[0]
        wait_until(lambda: rollout_of(server) == {}, seconds=20)
        assert [client.post("/predict", json=white).status_code for _ in range(40)] == [200] * 40


def test_a_shadow_answers_nobody_and_its_disagreement_is_told(repository: Repository, tmp_path: Path) -> None:
    repository.publish(make_bundle(tmp_path / "bad", version="digits-bad", sharpness=-1).path)
    store = begin(repository, mode="shadow", challenger="digits-bad", stage_requests=10_000)
    many, _ = images(300)
    with serving(repository, tmp_path / "monitor") as server, httpx.Client(base_url=server.url) as client:
        wait_until(lambda: rollout_of(server) != {}, seconds=20)
        asked = iter(many * 20)

        def taken_back() -> bool:
            assert {ask(client, next(asked))["version"] for _ in range(10)} == {OLD}
            return now_of(store).status is Status.ROLLED_BACK

        wait_until(taken_back, seconds=60)
        assert "names another class" in store.history()[-1].why[0]


def test_a_challenger_that_cannot_be_served_ends_its_rollout(repository: Repository, tmp_path: Path) -> None:
    store = begin(repository, mode="canary", stages=[1.0])
    model = repository.folder("digits", NEW) / "model.onnx"
    model.write_bytes(b"damaged")
    with serving(repository, tmp_path / "monitor") as server, httpx.Client(base_url=server.url) as client:
        wait_until(lambda: now_of(store).status is Status.ROLLED_BACK, seconds=30)
        assert "refused" in store.history()[-1].why[0]
        assert ask(client, images(1)[0][0])["version"] == OLD


def test_a_new_rollout_gives_what_was_refused_another_try(repository: Repository, tmp_path: Path) -> None:
    """Its first refusal comes while another process writes, which is not waited for."""
    defects.wrong_golden(make_bundle(tmp_path / "wrong", version="wrong").path)
    repository.publish(tmp_path / "wrong")
    store = begin(repository, mode="canary", stages=[1.0], challenger="wrong")
    with ExitStack() as stack:
        lock = stack.enter_context((store.folder / ".lock").open("a"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = stack.enter_context(running(repository.path, poll_seconds=0.2, admin=True))

        def is_refused() -> bool:
            (model,) = httpx.get(f"{server.url}/admin/models").json()["models"]
            return any(one["refused"] for one in model["versions"])

        wait_until(is_refused, seconds=20)
        assert now_of(store).status is Status.RUNNING
        fcntl.flock(lock, fcntl.LOCK_UN)
        wait_until(lambda: now_of(store).status is Status.ROLLED_BACK, seconds=20)
        for number in (2, 3):
            begin(repository, mode="canary", stages=[1.0], challenger="wrong")
            wait_until(lambda: now_of(store).status is Status.ROLLED_BACK, seconds=20)
            last = store.history()[-1]
            assert (last.after.number, "golden answers" in last.why[0]) == (number, True)


def test_a_live_pointer_moved_by_hand_ends_the_rollout(repository: Repository, tmp_path: Path) -> None:
    store = begin(repository, mode="canary", stages=[0.5, 1.0], stage_requests=10_000)
    with serving(repository, tmp_path / "monitor") as server:
        wait_until(lambda: rollout_of(server) != {}, seconds=20)
        repository.set_live("digits", NEW, "somebody")
        wait_until(lambda: now_of(store).status is Status.PROMOTED, seconds=20)
        assert json.loads(httpx.get(f"{server.url}/health").text)["version"] == NEW
