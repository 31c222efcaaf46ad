"""From a repository and a store that are in use to a backup."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import eyas
from eyas.backup.folder import BACKUP, MODELS, STORE, Backup, BackupManifest, Rows, open_backup
from eyas.backup.models import copy_repository
from eyas.bundle import Repository, is_repository
from eyas.bundle.repository import whoever
from eyas.bundle.sealed import seal
from eyas.core import io
from eyas.core.errors import BackupError
from eyas.core.moments import iso
from eyas.monitor.store import open_store, require_there


def make_backup(repository: Path | str, target: Path, store: str | None = None) -> Backup:
    """Copy a repository, and a prediction store where it is named, while a service uses both.

    Models come first: what the store says of versions is later than the copy, never earlier.

    Args:
        repository: its folder.
        target: the folder to make; it appears once all is copied and checked, and not at all where that fails. This
            process's user alone may read it: images are somebody's.
        store: its path or URL.

    Raises:
        BackupError: `repository` is none, or `target` is there already.
        BundleError, StoreError: one of the two cannot be read whole.
    """
    if not is_repository(Path(repository)):
        raise BackupError(f"{repository} is not a repository; `eyas models publish BUNDLE {repository}` makes one")
    if store:
        require_there(store)
    with io.new_folder(target, BackupError, mode=0o700) as folder:
        live = copy_repository(Repository(repository), folder / MODELS)
        seal(
            folder,
            BACKUP,
            BackupManifest,
            eyas=eyas.__version__,
            made=iso(),
            by=whoever(),
            live=live,
            store=_copy_store(store, folder / STORE) if store else None,
        )
        _close_to_others(folder)
        backup = replace(open_backup(folder), path=target)  # what we have written is what a restore will accept
        io.sync(folder)
    io.sync(target.parent)
    return backup


def _close_to_others(folder: Path) -> None:
    """Until now the folder around has kept them out."""
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


def _copy_store(where: str, file: Path) -> Rows:
    store = open_store(where)
    try:
        found = store.copy_to(file)
    finally:
        store.close()
    return Rows(predictions=found.predictions, images=found.images, feedback=found.feedback)
