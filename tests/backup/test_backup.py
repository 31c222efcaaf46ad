"""A backup is whole or it is none, and what it holds comes back."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from backup_places import NOON, Place, database_maker, records

from eyas.backup import Backup, make_backup, open_backup, restore
from eyas.bundle import Bundle, Repository
from eyas.bundle.manifest import digest_of
from eyas.core.errors import BackupError, ConfigError, IntegrityError, StoreError
from eyas.monitor.store import Feedback, Image, PredictionStore, open_store
from eyas.rollout import Move, make_plan, rollouts_of
from support.bundles import make_bundle
from support.defects import corrupt
from support.loaded import loaded_eyas
from support.postgres import PROGRAMS

ROWS = 2500  # more than are copied at once
RUN = """
import sys
from pathlib import Path
from eyas.backup import make_backup
make_backup(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
"""


def filled(where: str, count: int = 20) -> PredictionStore:
    """Predictions, some with labels that came in another order, some with images; and a label of nothing."""
    store = open_store(where)
    rows = records(count)
    store.write([*rows, *(Image(row.id, row.time, "image/png", row.id.encode()) for row in rows[:120])])
    store.write([Feedback(row.id, 1, NOON + 1e4 - n, "ann") for n, row in enumerate(rows[::2])])
    store.write([Feedback("nobody's", 2, NOON, "")])
    return store


def told(store: PredictionStore) -> list[object]:
    """All that a store says of its rows, but for their numbers."""
    rows = store.recent(10_000).rows
    outcomes = sorted((one.id, one.predicted, one.true_class, one.version) for one in store.outcomes(most=10_000))
    images = [store.image(row.prediction.id) for row in rows if row.has_image]
    return [[(row.prediction, row.feedback) for row in rows], outcomes, images]


def content(folder: Path) -> dict[str, bytes]:
    """But for locks."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != ".lock")
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def no_leftovers(folder: Path) -> bool:
    return not [entry for entry in folder.iterdir() if entry.name.startswith(".")]


def test_what_was_kept_comes_back_in_a_new_place(tmp_path: Path, repository: Repository, place: Place) -> None:
    repository.set_live("digits", "2", "ann")
    plan = make_plan({"mode": "canary", "champion": "2", "challenger": "1", "stages": (0.05, 1.0)})
    rollouts_of(repository, "digits").start(plan, by="ann", why="a trial", now=NOON)
    old, new = place("old"), place("new")
    store = filled(old, ROWS)
    made = make_backup(repository.path, tmp_path / "backup", old)
    assert made.manifest.live == {"digits": "2"}
    assert made.manifest.store is not None
    assert (made.manifest.store.predictions, made.manifest.store.images, made.manifest.store.feedback) == (
        ROWS,
        120,
        ROWS // 2 + 1,
    )
    assert not list(made.path.rglob("*-wal"))
    before = content(made.path)
    restore(open_backup(made.path), tmp_path / "restored", new)
    assert content(tmp_path / "restored") == content(repository.path)
    assert rollouts_of(Repository(tmp_path / "restored"), "digits").history()[-1].after.plan == plan
    restored = open_store(new)
    assert told(restored) == told(store)
    restored.write([*records(1, "more"), Feedback("more0", 0, NOON, "")])
    assert restored.by_id("more0")[0].correct
    restore(made, tmp_path / "restored", new)  # once more changes nothing
    assert len(restored.recent(10_000).rows) == ROWS + 1
    assert content(made.path) == before
    restored.close()
    store.close()


@pytest.mark.parametrize("way", ["sqlite to postgresql", "postgresql to sqlite"])
def test_a_store_may_move_to_the_other_database(
    tmp_path: Path, repository: Repository, request: pytest.FixtureRequest, way: str
) -> None:
    if PROGRAMS is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    places = {"sqlite": str(tmp_path / "a.db"), "postgresql": database_maker(request.getfixturevalue("postgres"))("b")}
    source, target = (places[name] for name in way.split(" to "))
    store = filled(source)
    restore(make_backup(repository.path, tmp_path / "backup", source), tmp_path / "restored", target)
    moved = open_store(target)
    assert told(moved) == told(store)
    moved.close()
    store.close()


def test_into_a_place_in_use_and_nothing_is_thrown_away(
    tmp_path: Path, repository: Repository, bundles: dict[str, Bundle], place: Place
) -> None:
    where = place("used")
    store = filled(where)
    made = make_backup(repository.path, tmp_path / "backup", where)
    repository.publish(bundles["3"].path, live=True)
    store.write([*records(3, "later"), Feedback("0", 0, NOON + 1e6, "a later word")])
    before = told(store)
    restore(made, repository.path, where)
    live = repository.live("digits")
    assert live is not None
    assert (live.version, live.before[0].version) == ("1", "3")
    assert live.by.endswith("(restored)")
    assert repository.versions("digits") == ("1", "2", "3")
    assert repository.roll_back("digits").version == "3"
    assert told(store) == before
    store.close()


def test_a_rollout_goes_on_and_its_history_never_shrinks(tmp_path: Path, repository: Repository) -> None:
    rollouts = rollouts_of(repository, "digits")
    plan = make_plan({"mode": "canary", "champion": "1", "challenger": "2", "stages": (0.05, 0.5, 1.0)})
    rollouts.start(plan, by="ann", why="a trial", now=NOON)
    early = make_backup(repository.path, tmp_path / "early")
    rollouts.move(Move.ADVANCE, by="ann", why="well", now=NOON + 1)
    late = make_backup(repository.path, tmp_path / "late")
    restore(early, repository.path)
    assert len(rollouts.history()) == 2
    restore(early, tmp_path / "elsewhere")
    elsewhere = rollouts_of(Repository(tmp_path / "elsewhere"), "digits")
    assert elsewhere.current() == early_rollout(early)
    restore(late, tmp_path / "elsewhere")
    assert elsewhere.history() == rollouts.history()
    rollouts.move(Move.ABORT, by="ann", why="enough", now=NOON + 2)
    elsewhere.move(Move.PAUSE, by="bob", why="not yet", now=NOON + 2)
    other = make_backup(repository.path, tmp_path / "other")
    before = content(tmp_path / "elsewhere")
    with pytest.raises(BackupError, match=r"\.rollouts has other moves than .*; move that folder away first"):
        restore(other, tmp_path / "elsewhere")
    assert content(tmp_path / "elsewhere") == before


def test_a_rollout_whose_writer_was_killed_comes_back(tmp_path: Path, repository: Repository) -> None:
    """Its history has a move, and `rollout.json` is not there, or was never brought up to it."""
    rollouts = rollouts_of(repository, "digits")
    plan = make_plan({"mode": "canary", "champion": "1", "challenger": "2", "stages": (0.05, 0.5, 1.0)})
    rollouts.start(plan, by="ann", why="a trial", now=NOON)
    restore(make_backup(repository.path, tmp_path / "early"), tmp_path / "used")
    rollouts.move(Move.ADVANCE, by="ann", why="well", now=NOON + 1)
    (rollouts.folder / "rollout.json").unlink()
    made = make_backup(repository.path, tmp_path / "backup")
    for name in ("new", "used"):
        restore(made, tmp_path / name)
        restored = rollouts_of(Repository(tmp_path / name), "digits")
        assert restored.current() == rollouts.current()
        assert not (restored.folder / "rollout.json").exists()


def early_rollout(backup: Backup) -> object:
    return rollouts_of(backup.repository, "digits").current()


def test_nobody_else_may_read_a_backup(tmp_path: Path, repository: Repository) -> None:
    filled(str(tmp_path / "a.db")).close()
    (repository.path / "digits" / "1.sig").write_bytes(b"a signature")
    made = make_backup(repository.path, tmp_path / "backup", str(tmp_path / "a.db"))
    for path in (made.path, *made.path.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    restore(made, tmp_path / "restored")
    file = tmp_path / "restored" / "digits" / "live.json"
    assert file.stat().st_mode & 0o777 == 0o644  # a service of another user reads it


def test_signatures_go_along(tmp_path: Path, repository: Repository) -> None:
    (repository.path / "digits" / "1.sig").write_bytes(b"a signature")
    restore(make_backup(repository.path, tmp_path / "backup"), tmp_path / "restored")
    assert (tmp_path / "restored" / "digits" / "1.sig").read_bytes() == b"a signature"


def test_what_changed_is_found_and_nothing_is_restored(tmp_path: Path, repository: Repository) -> None:
    store = filled(str(tmp_path / "a.db"))
    store.close()
    made = make_backup(repository.path, tmp_path / "backup", str(tmp_path / "a.db"))
    spoilt: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
        "a row": (lambda f: flip(f / "predictions.db"), IntegrityError, r"predictions\.db has changed"),
        "a model": (lambda f: flip(f / "models/digits/2/model.onnx"), IntegrityError, r"model\.onnx has changed"),
        "the pointer": (lambda f: flip(f / "models/digits/live.json"), IntegrityError, r"live\.json has changed"),
        "a file less": (
            lambda f: (f / "models/digits/live.json").unlink(),
            IntegrityError,
            r"lacks models/digits/live",
        ),
        "a file more": (lambda f: (f / "models/new").touch(), IntegrityError, r"new is not listed in backup\.json"),
        "the list": (lambda f: edit(f, by="nobody"), IntegrityError, r"backup\.json has changed since it was written"),
        "no list": (lambda f: (f / "backup.json").unlink(), BackupError, "is not a whole backup"),
        "no JSON": (lambda f: (f / "backup.json").write_text("{"), IntegrityError, r"is not valid JSON"),
        "no fields": (lambda f: (f / "backup.json").write_text("{}"), IntegrityError, r"backup\.json: eyas: "),
        "a newer form": (
            lambda f: edit(f, schema_version=2),
            BackupError,
            "must have schema version 1, got 2: a newer eyas made it; pip install --upgrade eyas",
        ),
    }
    for number, (spoil, error, words) in enumerate(spoilt.values()):
        shutil.copytree(made.path, copy := tmp_path / f"spoilt{number}")
        spoil(copy)
        with pytest.raises(error, match=words):
            open_backup(copy)


def flip(file: Path) -> None:
    """One bit."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def edit(backup: Path, **values: object) -> None:
    file = backup / "backup.json"
    found = json.loads(file.read_text()) | values
    if "schema_version" in values:
        found["digest"] = digest_of(found)
    file.write_text(json.dumps(found))


def test_what_cannot_be_copied_is_said_and_leaves_nothing(tmp_path: Path, repository: Repository) -> None:
    target = tmp_path / "backups" / "monday"
    for where, error, words in (
        (str(tmp_path / "typo.db"), StoreError, r"there is no prediction store at .*typo\.db"),
        ("mysql://root@localhost/a", ConfigError, "the prediction store must be"),
    ):
        with pytest.raises(error, match=words):
            make_backup(repository.path, target, where)
    assert not (tmp_path / "typo.db").exists()
    with pytest.raises(BackupError, match="is not a repository"):
        make_backup(tmp_path / "nowhere", target)
    (tmp_path / "text.db").write_text("this is no database, and longer than a header of one would be " * 20)
    with pytest.raises(StoreError, match=r"text\.db cannot be used"):
        make_backup(repository.path, target, str(tmp_path / "text.db"))
    corrupt(repository.path / "digits" / "2")
    with pytest.raises(IntegrityError, match=r"model\.onnx has changed since it was written"):
        make_backup(repository.path, target)
    repository.remove("digits", "2")
    (repository.path / "digits" / "live.json").write_text('{"version": "7", "since": "", "by": ""}')
    with pytest.raises(IntegrityError, match=r"live\.json names version 7, which is not there"):
        make_backup(repository.path, target)
    assert list(target.parent.iterdir()) == []
    repository.set_live("digits", "1")
    make_backup(repository.path, target)
    with pytest.raises(BackupError, match="monday exists already and is never overwritten"):
        make_backup(repository.path, target)
    assert no_leftovers(target.parent)


def test_another_content_is_never_overwritten(tmp_path: Path, repository: Repository) -> None:
    made = make_backup(repository.path, tmp_path / "backup")
    other = Repository(tmp_path / "other")
    other.publish(make_bundle(tmp_path / "two", version="2", sharpness=5).path, live=True)
    before = content(other.path)
    with pytest.raises(BackupError, match="is there with another content"):
        restore(made, other.path)
    with pytest.raises(BackupError, match="holds no prediction store; leave --store out"):
        restore(made, tmp_path / "new", str(tmp_path / "a.db"))
    assert content(other.path) == before
    assert not (tmp_path / "new").exists()


def test_a_store_from_a_newer_eyas_is_refused_before_any_pointer_moves(tmp_path: Path, repository: Repository) -> None:
    filled(str(tmp_path / "a.db")).close()
    made = make_backup(repository.path, tmp_path / "backup", str(tmp_path / "a.db"))
    connection = sqlite3.connect(tmp_path / "a.db")
    with connection:
        connection.execute("UPDATE eyas_store SET value = 99 WHERE name = 'schema'")
    connection.close()
    repository.set_live("digits", "2")
    with pytest.raises(StoreError, match="a newer eyas wrote it; pip install --upgrade eyas"):
        restore(made, repository.path, str(tmp_path / "a.db"))
    with pytest.raises(StoreError, match="a newer eyas wrote it"):
        restore(made, tmp_path / "new", str(tmp_path / "a.db"))
    assert not (tmp_path / "new").exists()
    live = repository.live("digits")
    assert live is not None
    assert live.version == "2"


def test_killed_at_any_moment_it_leaves_nothing_that_looks_whole(tmp_path: Path, repository: Repository) -> None:
    store = str(tmp_path / "a.db")
    filled(store, ROWS).close()
    target = tmp_path / "backups" / "monday"
    run = [sys.executable, "-c", RUN, str(repository.path), str(target), store]
    stages = (
        lambda: partials(target),
        lambda: [p for folder in partials(target) for p in folder.rglob("manifest.json")],
        lambda: [p for folder in partials(target) for p in folder.rglob("live.json")],
        lambda: [p for folder in partials(target) for p in folder.glob("predictions.db*")],
        lambda: [p for folder in partials(target) for p in folder.glob(".backup.json*")],
    )
    for stage in stages:
        process = subprocess.Popen(run)
        while process.poll() is None and not stage():
            pass  # the moment is short
        process.kill()
        process.wait()
        if target.exists():  # it was faster
            shutil.rmtree(target)
        for left in partials(target):
            if not (left / "backup.json").exists():
                with pytest.raises(BackupError, match="is not a whole backup"):
                    open_backup(left)
            shutil.rmtree(left)
    make_backup(repository.path, target, store)
    repository.publish(make_bundle(tmp_path / "four", version="4").path)  # no lock was left


def partials(target: Path) -> list[Path]:
    return list(target.parent.glob(f".{target.name}.partial-*"))


def test_the_commands(tmp_path: Path, repository: Repository) -> None:
    filled(str(tmp_path / "a.db")).close()

    def eyas(*words: str, code: int = 0) -> str:
        command = [loaded_eyas()] if code else [sys.executable, "-m", "eyas"]  # each verb in a fresh process, too
        done = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr if code else done.stdout

    said = eyas("backup", "models", "--store", "a.db", "--to", "monday")
    assert said == (
        "wrote monday: 2 versions of 1 models, 20 predictions, 20 images, 11 labels\n"
        "next: eyas restore monday REPO --store PATH\n"
    )
    said = eyas("restore", "monday", "new")
    assert said == "digits 1 is live\nits 20 predictions were left out; --store names where they go\n"
    assert eyas("restore", "monday", "new", "--store", "b.db") == "digits 1 is live\n"
    assert "is not a whole backup" in eyas("restore", "models", "new", code=5)
    assert "there is no prediction store at c.db" in eyas("backup", "models", "--store", "c.db", "--to", "x", code=10)
