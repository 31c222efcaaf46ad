"""A backup's folder, whole or not at all, and opened only where every byte is what it was.

BACKUP/models/...        a repository, as `eyas serve` takes it
BACKUP/predictions.db    a prediction store in one SQLite file, whatever database it was in
BACKUP/backup.json       when, by whom, what is in it, and the hash of every file; written last
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt

from eyas.bundle import Repository
from eyas.bundle.sealed import read_listing, require_whole
from eyas.core.errors import BackupError
from eyas.core.marks import PREDICTIONS
from eyas.core.schema import Section

BACKUP, MODELS, STORE = "backup.json", "models", PREDICTIONS
SCHEMA_VERSION: Literal[1] = 1


class Rows(Section):
    """Of the prediction store."""

    predictions: NonNegativeInt
    images: NonNegativeInt
    feedback: NonNegativeInt


class BackupManifest(Section):
    """The whole of `backup.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    eyas: str
    """The version that made it."""
    made: str
    """ISO 8601, UTC."""
    by: str
    live: dict[str, str | None]
    """The live version of each model."""
    store: Rows | None
    """None where no prediction store was asked for."""
    files: dict[str, str]
    """SHA-256 of every other file."""
    digest: str = ""
    """SHA-256 of all the fields above, as a bundle's manifest has it."""


@dataclass(frozen=True)
class Backup:
    """An opened one, its files checked."""

    path: Path
    manifest: BackupManifest

    @property
    def repository(self) -> Repository:
        """The copy; never to be written to."""
        return Repository(self.path / MODELS)

    @property
    def store(self) -> Path:
        """The prediction store's file, where there is one. It is copied before it is opened: opening changes it."""
        return self.path / STORE


def open_backup(path: Path | str) -> Backup:
    """Open a backup after checking its schema version and the hash of every file.

    Raises:
        BackupError: there is none, or a newer eyas made it.
        IntegrityError: a missing, changed or unlisted file.
    """
    path = Path(path)
    if not (path / BACKUP).is_file():
        raise BackupError(f"{path} is not a whole backup (no {BACKUP} in it); `eyas backup REPO --to {path}` makes one")
    manifest = read_listing(path / BACKUP, BackupManifest, partial(_require_version, path / BACKUP))
    require_whole(path, BACKUP, manifest.files)
    return Backup(path, manifest)


def _require_version(file: Path, version: object) -> None:
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BackupError(
            f"{file} must have schema version {SCHEMA_VERSION}, got {version}: a newer eyas made it; "
            "pip install --upgrade eyas"
        )
