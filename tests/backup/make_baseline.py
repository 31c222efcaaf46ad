"""Write what today's eyas leaves on disk, for later ones to open: a backup, and the same predictions in PostgreSQL.

    PYTHONPATH=src:tests python tests/backup/make_baseline.py tests/backup/fixtures/0.1

Run once for each release whose files differ from those of the one before, and never again for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from backup_places import NOON, database_maker, records

from eyas.backup import make_backup
from eyas.bundle import Repository
from eyas.bundle.manifest import digest_of
from eyas.core import io
from eyas.monitor.store import Feedback, Image, open_store
from eyas.rollout import Move, make_plan, rollouts_of
from support.bundles import make_bundle
from support.postgres import running_postgres


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, running_postgres() as server:
        work = Path(folder)
        make_repository(work)
        url = database_maker(server)("baseline")
        for where in (url, str(work / "predictions.db")):
            fill(where)
        make_backup(work / "models", target, str(work / "predictions.db"))
        sign(target)
        dump = ["pg_dump", "--no-owner", "--no-privileges", "--inserts", url]
        done = subprocess.run(dump, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        lines = (line for line in done.stdout.splitlines() if not line.startswith(("--", "\\")) and line)
        (target.parent / f"{target.name}.sql").write_text("\n".join(lines) + "\n")


def sign(backup: Path) -> None:
    """By nobody's machine in particular."""
    values = io.read_json(backup / "backup.json") | {"by": "ann@example"}
    io.write_json(backup / "backup.json", values | {"digest": digest_of(values)})


def make_repository(work: Path) -> None:
    repository = Repository(work / "models")
    for version in ("1", "2"):
        repository.publish(
            make_bundle(work / version, version=version, sharpness=float(version)).path, live=True, by="ann"
        )
        shutil.rmtree(work / version)
    plan = make_plan({"mode": "canary", "champion": "2", "challenger": "1", "stages": (0.05, 0.5, 1.0)})
    rollouts = rollouts_of(repository, "digits")
    rollouts.start(plan, by="ann", why="a trial", now=NOON)
    rollouts.move(Move.ADVANCE, by="eyas", why="well", now=NOON + 60)


def fill(where: str) -> None:
    """40 predictions with 10 images and 20 labels, and one label whose prediction is yet to come."""
    store = open_store(where)
    rows = records(40)
    store.write([*rows, *(Image(row.id, row.time, "image/png", row.id.encode()) for row in rows[:10])])
    store.write([Feedback(row.id, 1, NOON + 100 + n, "ann") for n, row in enumerate(rows[:20])])
    store.write([Feedback("to come", 2, NOON, "")])
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
