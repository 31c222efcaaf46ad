"""Backups of a service that answers, writes and changes its versions all the while."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from backup_places import Place, records

from eyas.backup import make_backup, open_backup, restore
from eyas.backup.models import still
from eyas.bundle import Bundle, Repository
from eyas.bundle.writing import only_writer
from eyas.core.errors import BundleError
from eyas.monitor.store import PredictionStore, open_store
from eyas.rollout import rollouts_of
from support.bundles import CLASSES
from support.server import Server, running
from support.waiting import wait_until

SECONDS = 30  # for anything that is waited for
BACKUPS = 4


class Load:
    """Requests, each with a label of its answer; who fails one, fails the test."""

    def __init__(self, server: Server, image: list[Any]) -> None:
        self.ids: list[str] = []
        self.versions: set[str] = set()
        self.failures: list[str] = []
        self._server, self._image, self._end = server, image, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with httpx.Client(base_url=self._server.url, timeout=SECONDS) as client:
            while not self._end.is_set():
                answer = client.post("/predict", json={"data": self._image, "range": 255})
                told = client.post("/feedback", json={"id": answer.json().get("id"), "label": CLASSES[0]})
                if answer.status_code != 200 or told.status_code not in {200, 202}:
                    self.failures.append(answer.text + told.text)
                    return
                self.ids.append(answer.json()["id"])
                self.versions.add(answer.json()["version"])

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        assert self.failures == []


@contextmanager
def changing(repository: Repository, bundle: Bundle) -> Iterator[None]:
    """Somebody moves the pointer to and fro, and publishes and removes a version, again and again."""
    end = threading.Event()

    def change() -> None:
        while not end.wait(0.05):
            repository.set_live("digits", "2")
            repository.publish(bundle.path)
            repository.roll_back("digits")
            repository.remove("digits", bundle.manifest.version)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(SECONDS)


def serving(repository: Repository, where: str, folder: Path) -> Any:
    monitor = {"folder": str(folder), "store": where}
    return running(repository.path, workers=1, threads=1, poll_seconds=0.05, prepare_seconds=20.0, monitor=monitor)


def test_under_load(tmp_path: Path, repository: Repository, bundles: dict[str, Bundle], place: Place) -> None:
    where = place("live")
    image = bundles["1"].golden().images[0].tolist()
    with serving(repository, where, tmp_path / "monitor") as server:
        store = open_store(where)
        with Load(server, image) as load, changing(repository, bundles["3"]):
            for number in range(BACKUPS):
                asked = len(load.ids)
                wait_until(partial(more_than, load.ids, asked + 20), SECONDS)
                known = {row.prediction.id for row in store.recent(10_000).rows}
                made = make_backup(repository.path, tmp_path / f"backup{number}", where)
                check(made.path, known, tmp_path / f"restored{number}")
        store.close()
    answers_as_before(made.path, tmp_path, bundles)


def more_than(rows: list[str], count: int) -> bool:
    return len(rows) > count


def check(backup: Path, known: set[str], target: Path) -> None:
    """It has all that was in the store before it began, and its pointer leads to a whole version."""
    found = open_backup(backup)
    restore(found, target, str(target / "predictions.db"))
    repository, store = Repository(target), open_store(str(target / "predictions.db"))
    live = repository.live("digits")
    assert live is not None
    assert repository.open("digits", live.version).manifest.version in {"1", "2"}
    rows = store.recent(10_000).rows
    assert known <= {row.prediction.id for row in rows}
    assert found.manifest.store is not None
    assert len(rows) == found.manifest.store.predictions
    assert len({row.prediction.id for row in rows}) == len(rows)
    store.close()


def answers_as_before(backup: Path, tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    """A service over what was restored."""
    restore(open_backup(backup), tmp_path / "again", str(tmp_path / "again.db"))
    repository = Repository(tmp_path / "again")
    live = repository.live("digits")
    assert live is not None
    golden = bundles[live.version].golden()
    with serving(repository, str(tmp_path / "again.db"), tmp_path / "monitor-again") as server:
        answer = httpx.post(f"{server.url}/predict", json={"data": golden.images.tolist(), "range": 255}).json()
        np.testing.assert_allclose(answer["probabilities"], golden.probabilities, atol=1e-4)
        wait_until(lambda: labels(server) > 0, SECONDS)  # those of the backup


def labels(server: Server) -> int:
    found = httpx.get(f"{server.url}/monitor").json()
    return sum(one["feedback"]["labels"] for one in found.get("versions", []) if one["feedback"])


def test_restored_under_a_running_service(
    tmp_path: Path, repository: Repository, bundles: dict[str, Bundle], place: Place
) -> None:
    """It goes back to the backup's version, keeps what came since, and fails no request."""
    where = place("running")
    image = bundles["1"].golden().images[0].tolist()
    with serving(repository, where, tmp_path / "monitor") as server, Load(server, image) as load:
        store = open_store(where)
        wait_until(lambda: len(store.recent(10_000).rows) > 20, SECONDS)
        made = make_backup(repository.path, tmp_path / "backup", where)
        repository.set_live("digits", "2")
        wait_until(lambda: "2" in load.versions, SECONDS)
        before = {row.prediction.id for row in store.recent(10_000).rows}
        load.versions.clear()
        restore(made, repository.path, where)
        wait_until(lambda: load.versions == {"1"} or load.versions.clear(), SECONDS)
        assert before <= {row.prediction.id for row in store.recent(10_000).rows}
        store.close()
    store = open_store(where)
    rows = store.recent(10_000).rows
    assert set(load.ids) <= {row.prediction.id for row in rows}  # none was dropped while the store was locked
    assert len({row.prediction.id for row in rows}) == len(rows)
    store.close()


def test_no_rollout_begins_while_pointers_are_copied(repository: Repository) -> None:
    """Not the first one of a model either, and not of a model that came meanwhile."""
    moved = threading.Event()
    with ExitStack() as publishing:
        publishing.enter_context(only_writer(repository.path, SECONDS))
        thread = threading.Thread(target=require_held, args=(repository, moved))
        thread.start()
        wait_until(lambda: is_held(repository, "digits"), SECONDS)
        shutil.copytree(repository.path / "digits" / "2", repository.path / "other" / "2")
    thread.join(SECONDS)
    assert moved.is_set()
    assert not is_held(repository, "digits")


def require_held(repository: Repository, seen: threading.Event) -> None:
    with still(repository):
        if all(is_held(repository, model) for model in ("digits", "other")):
            seen.set()


def is_held(repository: Repository, model: str) -> bool:
    try:
        with only_writer(rollouts_of(repository, model).folder, 0):
            return False
    except BundleError:
        return True


def test_others_write_while_rows_are_taken_in(place: Place) -> None:
    count, where = 20_000, place("new")
    old, new, other = open_store(place("old")), open_store(where), open_store(where)
    old.write(records(count))
    new.check()
    written: list[int] = []
    thread = threading.Thread(target=new.take_in, args=(old,))
    thread.start()
    while thread.is_alive():
        other.write(records(1, f"other{len(written)}-"))
        written.append(rows_of(other) - len(written) - 1)
    thread.join()
    assert any(0 < taken < count for taken in written)
    assert rows_of(other) == count + len(written)
    for store in (old, new, other):
        store.close()


def rows_of(store: PredictionStore) -> int:
    return sum(total.predictions for total in store.totals_by_version())
