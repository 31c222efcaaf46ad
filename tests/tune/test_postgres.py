"""Several searches of one study, each in a folder of its own, through a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eyas.cli import app
from eyas.core.errors import TrainingError
from eyas.core.marks import FOUND
from eyas.tune.running import read_trials
from support.postgres import PASSWORD, Postgres, needs_postgres, running_postgres
from support.tuning import start
from support.waiting import wait_until

pytestmark = needs_postgres


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def url(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """In the environment, too, where `eyas tune` looks."""
    monkeypatch.setenv("EYAS_TUNE_STORAGE", url := postgres.sqlalchemy_url)
    return url


def assert_unsaid(home: Path, *said: str) -> None:
    """The password stands in no file and no line."""
    assert PASSWORD not in "".join(said)
    holders = [file for file in (home / "runs").rglob("*") if file.is_file() and PASSWORD.encode() in file.read_bytes()]
    assert holders == []


def epochs_of(run: Path) -> int:
    return len((run / "history.csv").read_text().splitlines()) - 1


@pytest.mark.slow
def test_two_searches_make_one_study(home, url):
    words = [
        "digits",
        "model.hidden=[16]",
        "train.epochs=3",
        "--space",
        "space.yaml",
        "--seeds",
        "1",
        "--trials",
        "7",
        "--alone",
    ]
    words += ["--workers", "1", "--study", "both"]
    both = [start(*words, "--storage", url), start(*words, "name=other", "train.threads=2")]  # one by the environment
    said = []
    try:
        for process in both:
            said += process.communicate(timeout=200)
            assert process.returncode == 0, said[-1]
    finally:
        for process in both:
            process.kill()
            process.communicate()

    folders = [home / "runs/digits-tune-1", home / "runs/other-tune-1"]
    records = read_trials(folders[0], url)
    assert read_trials(folders[1], url) == records
    assert [one.number for one in records] == list(range(len(records)))
    kept = [one for one in records if one.state != "withdrawn"]
    assert {one.state for one in kept} <= {"complete", "pruned"}
    new = [one for one in kept if one.continues is None]
    assert len(new) == 7  # not one more, though both may look at the same moment
    assert sum(one.baseline for one in kept) == 1
    assert len({one.owner for one in new}) == 2
    continued = [one.continues for one in kept if one.continues is not None]
    assert len(continued) == len(set(continued))
    assert all(records[number].owner == one.owner for one in kept if (number := one.continues) is not None)
    for folder in folders:  # each trained its own, and those alone
        mine = {str(one.run): one.epochs for one in kept if str(one.owner).startswith(folder.name)}
        assert {run.name: epochs_of(run) for run in (folder / "runs").iterdir()} == mine
        found = json.loads((folder / FOUND).read_text())
        assert found["storage"] == url.replace(PASSWORD, "***")
        assert {one.number for one in new} <= {one["number"] for one in found["trials"]}
    moves = [json.dumps(dict(one.params), sort_keys=True) for one in new if not one.baseline]
    assert len(set(moves)) == 6  # one swarm: no two moved to the same point
    assert_unsaid(home, *said)


@pytest.mark.slow
def test_a_search_goes_on_when_its_database_is_back(home, postgres, url):
    folder = home / "runs/digits-tune-1"
    Path("dropout.yaml").write_text("model.dropout: {low: 0.0, high: 0.5}\n")
    words = [
        "model.hidden=[256]",
        "train.batch_size=8",
        "train.epochs=9",
        "--space",
        "dropout.yaml",
        "--seeds",
        "1",
        "--alone",
    ]
    process = start("digits", *words, "--trials", "3", "--workers", "1", "--no-halving")
    try:
        wait_until(lambda: (folder / "runs/trial-1/last.pt").exists(), 200)
        postgres.stop()
        said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == TrainingError.exit_code, said[1]
    assert "the storage postgresql+psycopg://me:***@127.0.0.1:" in said[1]
    assert "does not answer" in said[1]
    assert "Traceback" not in said[1]

    rows = (folder / "runs/trial-0/history.csv").read_bytes()
    postgres.start()
    before = read_trials(folder, url)
    assert [(one.number, one.state) for one in before] == [(0, "complete"), (1, "running")]
    done = CliRunner().invoke(app, ["tune", "--resume", str(folder), "--workers", "1"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    after = read_trials(folder, url)
    assert after[0] == before[0]
    assert (folder / "runs/trial-0/history.csv").read_bytes() == rows  # not trained again
    assert [(one.state, one.epochs, list(one.curve)) for one in after] == [("complete", 9, list(range(1, 10)))] * 3
    assert_unsaid(home, *said, done.output)
