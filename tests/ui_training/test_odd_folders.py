"""A folder of runs as it may be: files that nobody understands, folders made anew, copied, of other machines."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
from pathlib import Path

import optuna
import pytest
from following import Asked
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from eyas.ui.server import url_of

STUDY = "digits-tune-1"
RUNNING = json.dumps({"state": "running", "locked": True, "host": socket.gethostname()})


def study_in(folder: Path, name: str, database: Path) -> None:
    """A copy of the study that says it is kept there."""
    shutil.copytree(folder / STUDY, folder / name)
    plan = folder / name / "tune.yaml"
    plan.write_text(plan.read_text().replace("storage: null", f"storage: sqlite:///{database}"))


@pytest.mark.parametrize(
    ("file", "content", "state"),
    [
        ("state.json", "[1]", "finished"),  # as if it were not there
        ("state.json", '{"state": "failed", "cause": "\\ud800"}', "unreadable"),  # no text that can be sent
        ("config.yaml", "train: {epochs: many}", "unreadable"),
        ("history.csv", "epoch,loss\n1,one\n", "waiting"),
    ],
)
def test_one_odd_run_hides_no_other(copied: tuple[Path, Asked], file: str, content: str, state: str) -> None:
    folder, asked = copied
    (folder / "large-1" / "state.json").unlink()
    (folder / "large-1" / file).write_text(content)
    assert (asked.line("large-1")["state"], asked.line("small-1")["state"]) == (state, "finished")
    assert bool(asked.line("large-1")["cause"]) is (state == "unreadable")


def test_one_odd_folder_or_study_hides_nothing(copied: tuple[Path, Asked]) -> None:
    folder, asked = copied
    shutil.copytree(folder / "small-1", folder / os.fsdecode(b"name-\xff"))
    (folder / "text.db").write_text("no database at all")
    (folder / "empty.db").write_bytes(b"")
    file = folder / "locked.db"
    optuna.copy_study(
        from_study_name=STUDY,
        from_storage=JournalStorage(JournalFileBackend(str(folder / STUDY / "journal.log"))),
        to_storage=f"sqlite:///{file}",
    )
    for name in ("text", "empty", "locked"):
        study_in(folder, f"{name}-1", folder / f"{name}.db")
    study_in(folder, "odd-1", folder / "odd.db")
    (folder / "odd-1" / "optimization_results.json").write_text('{"trials": 4}')
    writer = sqlite3.connect(file, timeout=0, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    told = asked.get("list")
    writer.close()
    assert {one["run"] for one in told["runs"]} >= {"small-1", "large-1"}
    sources = {one["study"]: one.get("source") for one in told["studies"]}
    told_by_results = {"text-1": "results", "empty-1": "results", "locked-1": "results"}
    assert sources == {STUDY: "live", "odd-1": None, **told_by_results}
    assert asked.get("study", study="locked-1")["source"] == "live"  # now that nobody has it


def test_what_is_made_anew_shows_nothing_of_what_was_there(copied: tuple[Path, Asked]) -> None:
    folder, asked = copied
    before, run = asked.get("study", study=STUDY), asked.get("run", run="small-1")
    plan = (folder / STUDY / "tune.yaml").read_text()
    for name in (STUDY, "small-1"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
    (folder / STUDY / "tune.yaml").write_text(plan)
    (folder / "small-1" / "config.yaml").write_text("train: {epochs: 4}")
    study = asked.get("study", study=STUDY, after=before["revision"], token=before["token"])
    assert (study["trials"], study["state"], study["source"]) == ([], "waiting", "none")
    assert study["token"] != before["token"]
    again = asked.get("run", run="small-1", after=4, token=run["token"])
    assert (again["rows"], again["from"], again["state"]) == ([], 0, "waiting")


def test_a_copied_study_stands_as_it_stood(copied: tuple[Path, Asked]) -> None:
    folder, asked = copied
    journal = folder / STUDY / "journal.log"
    os.utime(journal, (journal.stat().st_atime, journal.stat().st_mtime + 60))  # as a copy may leave them
    assert asked.get("study", study=STUDY)["state"] == "finished"
    (folder / STUDY / "state.json").unlink()  # of an older eyas
    assert asked.get("study", study=STUDY)["state"] == "finished"


def test_only_a_lock_that_is_there_and_free_tells_of_a_kill(copied: tuple[Path, Asked]) -> None:
    folder, asked = copied
    for name in ("small-1", STUDY):
        (folder / name / "state.json").write_text(RUNNING)

    def states() -> tuple[str, str]:
        return asked.line("small-1")["state"], asked.get("study", study=STUDY)["state"]

    assert states() == ("killed", "killed")
    for name in ("small-1", STUDY):
        (folder / name / ".lock").unlink()  # carried here by Ray, or copied without its hidden files
    assert states() == ("elsewhere", "elsewhere")


@pytest.mark.parametrize(
    ("family", "bound", "host", "name"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1", "localhost"),
        (socket.AF_INET, "0.0.0.0", "0.0.0.0", "localhost"),
        (socket.AF_INET6, "::", "::", "localhost"),
        (socket.AF_INET, "127.0.0.2", "127.0.0.2", "127.0.0.2"),
        (socket.AF_INET, "127.0.0.2", "my-machine", "my-machine"),
        (socket.AF_INET6, "::1", "::1", "[::1]"),
    ],
)
def test_the_address_that_is_told_is_the_one_that_answers(
    family: socket.AddressFamily, bound: str, host: str, name: str
) -> None:
    with socket.socket(family) as taken:
        taken.bind((bound, 0))
        assert url_of(taken, host) == f"http://{name}:{taken.getsockname()[1]}"
