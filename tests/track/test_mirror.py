"""A repository in MLflow's registry: SQLite and a real server, once whatever was killed, and as it changes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from eyas.bundle import Repository
from eyas.core.errors import TrackingError
from eyas.rollout import GateReport, Move, begin, move_by_hand, plan_for, rollouts_of
from eyas.track.registry import CHALLENGER, CHAMPION, DIGEST, VERSION, Mirror, Registry, follow
from eyas.track.registry import mirror as mirroring
from support.bundles import make_bundle
from support.tracking import MlflowServer, eyas, store
from support.waiting import wait_until


@pytest.fixture
def repository(home: Path) -> Repository:
    made = Repository(home / "models")
    for version in ("1", "2"):
        made.publish(make_bundle(home / version, version=version).path, live=version == "1", by="ann")
    return made


def versions(uri: str = "") -> dict[str, ModelVersion]:
    """By eyas's version; each is there once."""
    every = MlflowClient(uri or store()).search_model_versions("name='digits'")
    found = {one.tags[VERSION]: one for one in every}
    assert len(found) == len(every)
    return found


def aliases(uri: str = "") -> dict[str, str]:
    """By eyas's version."""
    names = {str(one.version): version for version, one in versions(uri).items()}
    registered = MlflowClient(uri or store()).get_registered_model("digits")
    return {alias: names[str(number)] for alias, number in registered.aliases.items()}


def state(uri: str = "") -> Any:
    """All that the registry has, with its times."""
    client = MlflowClient(uri or store())
    runs = client.search_runs([client.get_experiment_by_name("eyas-models").experiment_id])
    found = [dict(one) for one in (*client.search_model_versions(""), *client.search_registered_models())]
    return json.dumps([found, [(run.info.run_id, run.info.end_time) for run in runs]], default=str)


def start(repository: Repository, challenger: str, **plan: Any) -> None:
    planned = plan_for(repository, "digits", challenger, plan)
    begin(repository, "digits", planned, by="ann", why="a trial", judged=lambda: GateReport(()))


def test_a_repository_in_sqlite(repository: Repository, home: Path) -> None:
    said = eyas("models", "mirror", "models").stdout.splitlines()
    assert said == ["digits 1 is version 1", "digits 2 is version 2", "digits: champion is 1"]
    found = versions()
    manifest = repository.open("digits", "1").manifest
    tags = found["1"].tags
    assert (tags[DIGEST], tags["eyas.classes"], tags["eyas.fingerprint"]) == (manifest.digest, "10", "0" * 64)
    assert float(tags["eyas.test_accuracy"]) == pytest.approx(manifest.metrics["test"]["accuracy"], abs=1e-5)
    assert tags["eyas.live_by"] == "ann"
    assert "linear for 10 classes, trained on digits" in found["1"].description
    run = MlflowClient(store()).get_run(found["1"].run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test_accuracy"] == manifest.metrics["test"]["accuracy"]
    kept = Path(MlflowClient(store()).download_artifacts(found["1"].run_id, "bundle", str(home)))
    original = repository.folder("digits", "1")
    for file in sorted(original.iterdir()):
        assert (kept / file.name).read_bytes() == file.read_bytes()
    before = state()
    assert eyas("models", "mirror", "models").stdout == "the registry has everything\n"
    assert state() == before


def test_aliases_follow_rollouts_and_stories_are_kept(repository: Repository) -> None:
    mirror = Mirror(repository, Registry(store()))
    mirror.once()
    assert aliases() == {CHAMPION: "1"}
    start(repository, "2", stages=[0.1, 1.0])
    assert mirror.once().news == ["digits: challenger is 2"]
    assert aliases() == {CHAMPION: "1", CHALLENGER: "2"}
    assert versions()["2"].tags["eyas.rollout"].startswith("running at 10 % since 20")
    move_by_hand(repository, "digits", Move.PROMOTE, by="bob", why="it is better")
    assert mirror.once().news == ["digits: champion is 2", "digits: challenger is nobody"]
    assert aliases() == {CHAMPION: "2"}
    tags = versions()["2"].tags
    assert tags["eyas.rollout"].endswith(", by bob: it is better")
    assert tags["eyas.rollout"].startswith("promoted since ")
    assert (tags["eyas.live_by"], versions()["1"].tags["eyas.live_by"]) == ("bob", "ann")


def test_what_somebody_changed_by_hand_is_put_right(repository: Repository) -> None:
    mirror = Mirror(repository, Registry(store()))
    mirror.once()
    client = MlflowClient(store())
    client.set_registered_model_alias("digits", CHAMPION, str(versions()["2"].version))
    client.set_registered_model_alias("digits", "mine", str(versions()["2"].version))
    mirror.once()
    assert aliases() == {CHAMPION: "1", "mine": "2"}


def test_another_content_is_another_version(repository: Repository, home: Path) -> None:
    mirror = Mirror(repository, Registry(store()))
    mirror.once()
    repository.remove("digits", "2")
    assert mirror.once().news == []  # what has left stays in the registry
    repository.publish(make_bundle(home / "other", version="2", sharpness=2).path)
    assert mirror.once().news == ["digits 2 is version 3"]


def test_a_damaged_version_is_said_and_the_others_are_mirrored(repository: Repository) -> None:
    (repository.folder("digits", "2") / "model.onnx").write_bytes(b"damaged")
    done = eyas("models", "mirror", "models", code=9)
    assert "digits 1 is version 1" in done.stdout
    assert "digits 2: " in done.stderr
    assert "has changed since it was written" in done.stderr
    assert versions().keys() == {"1"}


def test_an_alias_stays_while_its_version_cannot_be_mirrored(repository: Repository, home: Path) -> None:
    mirror = Mirror(repository, Registry(store()))
    mirror.once()
    repository.publish(make_bundle(home / "3", version="3").path, live=True)
    graph = repository.folder("digits", "3") / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(b"half of it")
    done = mirror.once()
    assert aliases() == {CHAMPION: "1"}
    assert done.troubles.keys() == {"digits 3", "digits: champion"}
    assert done.troubles["digits: champion"] == "champion stays where it is, as 3 is not mirrored"
    graph.write_bytes(whole)
    assert mirror.once().troubles == {}
    assert aliases() == {CHAMPION: "3"}


def test_models_that_are_not_there_and_a_store_that_is_none(repository: Repository) -> None:
    assert "there is no model none" in eyas("models", "mirror", "models", "none", code=5).stderr
    with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1:9"):
        Mirror(repository, Registry("http://127.0.0.1:9")).once()


KILLED = """
import os, signal, sys
at, seen = int(sys.argv.pop(1)), 0
def count(event, arguments):
    global seen
    if event == "shutil.copyfile":
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
from eyas.cli import main
main()
"""


@pytest.mark.slow
def test_who_comes_after_a_killed_mirror_completes_it(repository: Repository) -> None:
    """Killed before its first file, and within the second version."""
    for at in ("1", "7"):
        command = [sys.executable, "-c", KILLED, at, "models", "mirror", "models"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    eyas("models", "mirror", "models")
    assert versions().keys() == {"1", "2"}
    client = MlflowClient(store())
    runs = client.search_runs([client.get_experiment_by_name("eyas-models").experiment_id])
    assert sorted(run.data.tags[VERSION] for run in runs) == ["1", "2"]
    for version, one in versions().items():
        names = {file.path for file in client.list_artifacts(one.run_id, "bundle")}
        assert names == {f"bundle/{file.name}" for file in repository.folder("digits", version).iterdir()}


def test_two_that_add_the_same_leave_one(repository: Repository) -> None:
    registry, bundle = Registry(store()), repository.open("digits", "1")
    registry.aliases("digits")
    first = registry.add("digits", bundle)
    assert registry.add("digits", bundle).number == first.number
    assert [one.number for one in registry.versions("digits").values()] == [first.number]


class Watched(Repository):
    """Writes down when its models were asked for, and has others at the third look."""

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path)
        self.looks: list[float] = []
        self._most = most

    def models(self) -> tuple[str, ...]:
        self.looks.append(monotonic())
        if len(self.looks) > self._most:
            raise KeyboardInterrupt  # as who follows ends it
        return ("others",) if len(self.looks) >= 3 else super().models()


def test_trouble_is_said_again_in_other_words_and_looked_at_less_and_less(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirroring, "POLL_SECONDS", 0.01)
    watched, said = Watched(repository.path, most=5), []
    with pytest.raises(KeyboardInterrupt):
        follow(Mirror(watched, Registry(store()), ["none"]), print, said.append)
    where = f"there is no model none in {repository.path}; there are: "
    assert said == [f"{where}digits", f"{where}others"]
    pauses = [after - before for before, after in pairwise(watched.looks)]
    assert all(pause >= 0.02 * 2**number for number, pause in enumerate(pauses))


@contextmanager
def following(*words: str) -> Iterator[Path]:
    """What it says goes to the file."""
    said = Path("said").absolute()
    with said.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "eyas", "models", "mirror", "models", "--follow", *words],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        yield said
        assert process.poll() is None, said.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_server_is_followed_through_its_death(repository: Repository, server: MlflowServer) -> None:
    with following("--tracking-uri", server.url) as said:
        wait_until(lambda: "champion is 1" in said.read_text(), 60)
        assert aliases(server.url) == {CHAMPION: "1"}
        start(repository, "2", stages=[1.0])
        wait_until(lambda: "challenger is 2" in said.read_text(), 20)
        store = rollouts_of(repository, "digits")
        evidence = {"loss": [-1.0, 1.0], "disagreement": [0.0, 1.0]}
        repository.set_live("digits", "2", "eyas")
        store.move(Move.PROMOTE, by="eyas", why="fine", now=1.0, evidence=evidence)
        wait_until(lambda: "challenger is nobody" in said.read_text(), 20)
        assert aliases(server.url) == {CHAMPION: "2"}
        server.kill()
        repository.roll_back("digits")
        wait_until(lambda: "warning: " in said.read_text(), 30)
        repository.publish(make_bundle(repository.path.parent / "3", version="3").path)
        server.start()
        wait_until(lambda: "all of it is mirrored again" in said.read_text(), 60)
        assert said.read_text().count("warning: ") == 1
    assert aliases(server.url) == {CHAMPION: "1"}
    found = versions(server.url)
    assert found.keys() == {"1", "2", "3"}
    folder = MlflowClient(server.url).download_artifacts(found["3"].run_id, "bundle")
    assert (Path(folder) / "manifest.json").read_bytes() == (
        repository.folder("digits", "3") / "manifest.json"
    ).read_bytes()
    shutil.rmtree(folder)
