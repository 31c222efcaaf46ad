"""A backup's folder, whole or not at all, and opened only where every byte is what it was.

BACKUP/models/...        a repository, as `eyas serve` takes it
BACKUP/predictions.db    a prediction store in one SQLite file, whatever database it was in
BACKUP/backup.json       when, by whom, what is in it, and the hash of every file; written last
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt, ValidationError

from eyas.bundle import Repository
from eyas.bundle.manifest import digest_of
from eyas.core import io
from eyas.core.errors import BackupError, IntegrityError
from eyas.core.marks import PREDICTIONS
from eyas.core.schema import Section
from eyas.core.schema.section import first_fault

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


def write_manifest(folder: Path, manifest: BackupManifest) -> None:
    """Hash all files, and end the backup with its `backup.json`."""
    hashes = {name: io.sha256_file(folder / name) for name in sorted(_files(folder))}
    values = manifest.model_copy(update={"files": hashes}).model_dump(mode="json")
    values["digest"] = digest_of(values)
    io.write_json(folder / BACKUP, values)


def open_backup(path: Path | str) -> Backup:
    """Open a backup after checking its schema version and the hash of every file.

    Raises:
        BackupError: there is none, or a newer eyas made it.
        IntegrityError: a missing, changed or unlisted file.
    """
    path = Path(path)
    if not (path / BACKUP).is_file():
        raise BackupError(f"{path} is not a whole backup (no {BACKUP} in it); `eyas backup REPO --to {path}` makes one")
    manifest = _parse(path / BACKUP)
    found = _files(path)
    if unlisted := sorted(found - manifest.files.keys()):
        raise IntegrityError(f"{path / unlisted[0]} is not listed in {BACKUP}")
    for name, expected in manifest.files.items():
        if name not in found:
            raise IntegrityError(f"{path} lacks {name}")
        if (actual := io.sha256_file(path / name)) != expected:
            raise IntegrityError(
                f"{path / name} has changed since it was written: SHA-256 must be {expected}, got {actual}"
            )
    return Backup(path, manifest)


def _files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {BACKUP}


def _parse(file: Path) -> BackupManifest:
    try:
        values = io.read_json(file)
    except ValueError as error:
        raise IntegrityError(f"{file} is not valid JSON: {error}") from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BackupError(
            f"{file} must have schema version {SCHEMA_VERSION}, got {version}: a newer eyas made it; "
            "pip install --upgrade eyas"
        )
    try:
        manifest = BackupManifest.model_validate(values)
    except ValidationError as error:
        raise IntegrityError(f"{file}: {first_fault(error)}") from error
    if manifest.digest != digest_of(values):
        raise IntegrityError(f"{file} has changed since it was written: its digest no longer fits its content")
    return manifest
