"""A backup back into a repository and a store, new ones or those in use. Nothing that is there is thrown away.

All is checked first. Then come versions, which nobody uses yet, the store's rows in batches, and the pointers last:
who is killed in between has moved nothing, and does the same once more.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path

from eyas.backup.folder import STORE, Backup
from eyas.backup.models import versions_of
from eyas.bundle import Repository
from eyas.bundle.repository import LOCK_SECONDS, whoever
from eyas.bundle.writing import only_writer
from eyas.core import io
from eyas.core.errors import BackupError
from eyas.core.marks import LIVE
from eyas.monitor.store import open_store
from eyas.rollout.state import CURRENT, FOLDER, HISTORY


def restore(backup: Backup, repository: Path | str, store: str | None = None) -> None:
    """Bring back what a backup holds.

    A version that is there stays. The live pointers become the backup's; where another version was live, that is one
    more move, which `eyas models rollback` takes back. Predictions are added to those that are there.

    Args:
        backup: an opened one.
        repository: its folder, which need not exist.
        store: path or URL of a prediction store, of either database; None leaves predictions out.

    Raises:
        BackupError: a version or rollout is there with another content, or the backup has no store; nothing is changed.
        StoreError: the store cannot be used.
    """
    target = Repository(repository)
    if store and backup.manifest.store is None:
        raise BackupError(f"{backup.path} holds no prediction store; leave --store out")
    if store:
        _require_usable(store)
    for model, version in versions_of(backup.repository):
        _require_fits(backup, target, model, version)
    for model in backup.repository.models():
        _require_no_other_moves(backup, target, model)
    for model, version in versions_of(backup.repository):
        target.publish(backup.repository.folder(model, version), model=model)
    if store:
        _restore_store(backup, store)
    for model in backup.repository.models():
        _point(backup, target, model)


def _require_fits(backup: Backup, target: Repository, model: str, version: str) -> None:
    there = target.path / model / version
    if there.exists() and target.open(model, version).manifest != backup.repository.open(model, version).manifest:
        raise BackupError(f"{there} is there with another content than in {backup.path}; restore into another folder")


def _require_no_other_moves(backup: Backup, target: Repository, model: str) -> None:
    ours, theirs = (_history(one, model) for one in (backup.repository, target))
    if not ours.startswith(theirs) and not theirs.startswith(ours):
        raise BackupError(
            f"{target.path / model / FOLDER} has other moves than {backup.path}; move that folder away first"
        )


def _require_usable(where: str) -> None:
    store = open_store(where)
    try:
        store.check()
    finally:
        store.close()


def _restore_store(backup: Backup, where: str) -> None:
    """Through a copy, for opening a store changes its file, and an older one is brought up to date."""
    with tempfile.TemporaryDirectory(prefix="eyas-restore-") as folder:
        source = open_store(shutil.copy(backup.store, Path(folder) / STORE))
        target = open_store(where)
        try:
            target.take_in(source)
        finally:
            target.close()
            source.close()


def _point(backup: Backup, target: Repository, model: str) -> None:
    """The pointer first, with the rollouts held: a service would end one whose champion is not live."""
    source, folder = backup.repository.path / model, target.path / model / FOLDER
    ours = _history(backup.repository, model)
    with only_writer(folder, LOCK_SECONDS) if ours else nullcontext():
        _move_pointer(backup, target, model)
        if len(ours) > len(_history(target, model)):
            _bring_moves(source / FOLDER, folder)


def _bring_moves(source: Path, folder: Path) -> None:
    """`CURRENT` may be absent: its writer was killed before it. One of earlier moves is of no worth then."""
    io.copy_file(source / HISTORY, folder / HISTORY)
    if (source / CURRENT).is_file():
        io.copy_file(source / CURRENT, folder / CURRENT)
    else:
        (folder / CURRENT).unlink(missing_ok=True)
    io.sync(folder)


def _move_pointer(backup: Backup, target: Repository, model: str) -> None:
    ours = backup.repository.live(model)
    if ours and target.live(model):
        target.set_live(model, ours.version, f"{whoever()} (restored)")
    elif ours:
        with only_writer(target.path, LOCK_SECONDS):
            io.copy_file(backup.repository.path / model / LIVE, target.path / model / LIVE)


def _history(repository: Repository, model: str) -> bytes:
    """The moves of all rollouts, without the torn end that a killed writer may have left."""
    file = repository.path / model / FOLDER / HISTORY
    return file.read_bytes().rpartition(b"\n")[0] if file.is_file() else b""
