"""What earlier releases have left on disk is opened, read and gone on with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from backup_places import NOON, Place, database_maker, records

from eyas.backup import open_backup, restore
from eyas.bundle import Repository
from eyas.infer import Predictor
from eyas.monitor.store import Feedback, PredictionStore, open_store
from eyas.rollout import Move, rollouts_of
from support.postgres import Postgres, needs_postgres

FIXTURES = Path(__file__).parent / "fixtures"
RELEASES = sorted(folder.name for folder in FIXTURES.iterdir() if folder.is_dir())


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def read_and_go_on(store: PredictionStore) -> None:
    rows = store.recent(100).rows
    assert [row.prediction for row in rows] == records(40)[::-1]
    assert sum(row.feedback is not None for row in rows) == 20
    assert [row.prediction.id for row in rows if row.has_image] == [str(n) for n in range(9, -1, -1)]
    known = store.outcomes()
    assert [one.id for one in known] == [str(n) for n in range(20)]
    late = records(1)[0]._replace(id="to come")
    store.write([late, *records(1, "new"), Feedback("new0", 0, NOON + 1e4, ""), Feedback("30", 1, NOON + 1e4, "")])
    assert {one.id for one in store.outcomes(after=known[-1].number)} == {"to come", "new0", "30"}
    assert sum(one.labelled for one in store.accuracy_by_class()) == 23
    store.close()


def test_bundles_and_rollouts(tmp_path: Path, release: str) -> None:
    backup = open_backup(FIXTURES / release)
    restore(backup, tmp_path / "models")
    repository = Repository(tmp_path / "models")
    for version in repository.versions("digits"):
        Predictor(repository.open("digits", version)).verify_golden()
    live = repository.live("digits")
    assert live is not None
    assert (live.version, [turn.version for turn in live.before]) == ("2", ["1"])
    rollouts = rollouts_of(repository, "digits")
    assert [entry.move for entry in rollouts.history()] == [Move.START, Move.ADVANCE]
    assert rollouts.move(Move.ADVANCE, by="ann", why="well", now=NOON + 120).stage == 2
    assert repository.roll_back("digits").version == "1"


def test_predictions_in_their_own_file(tmp_path: Path, release: str) -> None:
    read_and_go_on(open_store(shutil.copy(open_backup(FIXTURES / release).store, tmp_path)))


def test_predictions_from_a_backup(tmp_path: Path, release: str, place: Place) -> None:
    where = place("restored")
    restore(open_backup(FIXTURES / release), tmp_path / "models", where)
    read_and_go_on(open_store(where))


@needs_postgres
def test_predictions_in_postgresql(release: str, postgres: Postgres) -> None:
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("psql is not installed: apt-get install postgresql-client")
    where = database_maker(postgres)("baseline")
    load = [psql, "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(FIXTURES / f"{release}.sql"), where]
    done = subprocess.run(load, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    read_and_go_on(open_store(where))
