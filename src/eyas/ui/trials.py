"""The trials of a study from where it remembers them; nothing is written, and no lock is taken."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from eyas.tune.records import record_of
from eyas.tune.space import Choice, Dimension, Float, Int, Space
from eyas.tune.storage import storage_is_there

BUSY_SECONDS = 1.0
"""That a look waits for a writer of SQLite; the next look comes anyway."""


def open_journal(file: Path) -> BaseStorage:
    """Each look reads what is new in it."""
    return JournalStorage(JournalFileBackend(str(file)))


def open_sqlite(file: Path) -> BaseStorage:
    """Read-only: SQLite itself refuses to write, and a reader keeps a writer waiting for its short look at most.

    Raises:
        TrainingError: it is no such database, or does not answer.
    """

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(file))}?mode=ro", BUSY_SECONDS, check_same_thread=False, uri=True)

    with storage_is_there(str(file)):
        return RDBStorage(
            f"sqlite:///{quote(str(file))}",
            engine_kwargs={"creator": connect},
            skip_table_creation=True,
            skip_compatibility_check=True,
        )


def read_trials(storage: BaseStorage, study: str, space: Space) -> list[dict[str, Any]]:
    """All trials as plain values, by number; see `TrialRecord.to_json`.

    Raises:
        KeyError: the storage has no such study yet.
        ValueError: somebody is just writing a line.
        TrainingError: a database that does not answer, or has no such tables.
    """
    with storage_is_there(study):
        found = storage.get_all_trials(storage.get_study_id_from_name(study), deepcopy=False)
    return [record_of(trial, space).to_json() for trial in found]


def space_of(plain: Mapping[str, Any]) -> Space:
    """What a study's `tune.yaml` says of its space; it was checked when it was written.

    Raises:
        ConfigError, KeyError, TypeError: it is damaged.
    """
    return Space([_dimension(name, about) for name, about in plain.items()])


def _dimension(name: str, about: Mapping[str, Any]) -> Dimension:
    when = about.get("when", {})
    if "choices" in about:
        return Choice(name, tuple(about["choices"]), when)
    kind: Any = Int if isinstance(about["low"], int) else Float
    step = {"step": about["step"]} if "step" in about else {}
    made: Dimension = kind(name, about["low"], about["high"], about.get("log", False), **step, when=when)
    return made


optuna.logging.set_verbosity(optuna.logging.WARNING)
