"""Where a search is remembered: a journal file of its own, or a database that several machines share."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import IO

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from eyas.core.errors import ConfigError, MissingExtraError, TrainingError
from eyas.core.io import cut_half_line
from eyas.core.locks import try_hold
from eyas.core.marks import JOURNAL, LOCK

VARIABLE = "EYAS_TUNE_STORAGE"
MASK = "***"
DIALECTS = ("sqlite", "postgresql")
BUSY_SECONDS = 60
"""That SQLite waits for another writer."""
REACH_SECONDS = 10
"""For a server to take a connection."""
ATTEMPTS, PAUSE_SECONDS = 3, 0.5
LOOK_SECONDS = 0.05
"""That who only looks whether a folder is searched holds its lock, at most."""


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """The storage of a study.

    Args:
        url: None for the journal in `folder`.

    Raises:
        ConfigError: a URL that is none, or of another kind of database.
        MissingExtraError: the database's driver is not installed.
        TrainingError: nothing answers there.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is None:
        file = folder / JOURNAL
        lock = KernelLock(file)
        _mend(file, lock)
        return JournalStorage(JournalFileBackend(str(file), lock))
    require_url(url)
    try:
        with storage_is_there(masked(url)):
            return get_storage(_database(url))
    except ImportError as error:
        raise MissingExtraError(
            f'{masked(url)} needs a driver that is not installed: pip install "eyas[train,postgres]"'
        ) from error


@contextmanager
def opened(url: str | None, folder: Path) -> Iterator[BaseStorage]:
    """The storage of a study, whose failures inside the block become ours, and whose connections end with it.

    Raises:
        ConfigError, MissingExtraError, TrainingError: as `open_storage` and `storage_is_there`.
    """
    with storage_is_there(masked(url) if url else str(folder / JOURNAL)):
        storage = open_storage(url, folder)
        try:
            yield storage
        finally:
            close_storage(storage)


def close_storage(storage: BaseStorage) -> None:
    """End a database's connections; a journal has none."""
    database = getattr(storage, "_backend", storage)  # of Optuna's cache before it
    if isinstance(database, RDBStorage):
        database.remove_session()
        database.engine.dispose()


def _database(url: str) -> RDBStorage:
    """Tables are made by whoever is first; one that is beaten to it by another machine finds them then."""
    patience = (
        {"connect_args": {"timeout": BUSY_SECONDS}}
        if url.startswith("sqlite")
        else {"connect_args": {"connect_timeout": REACH_SECONDS}, "pool_pre_ping": True}
    )
    for _ in range(ATTEMPTS):
        try:
            return RDBStorage(url, engine_kwargs=dict(patience))
        except (IntegrityError, ProgrammingError, OperationalError) as error:
            if not isinstance(error, IntegrityError) and "already exists" not in str(error):
                raise
        sleep(PAUSE_SECONDS)
    return RDBStorage(url, engine_kwargs=dict(patience))


@contextmanager
def storage_is_there(where: str) -> Iterator[None]:
    """Turn a database's failure inside the block into ours.

    Raises:
        ConfigError: a URL that is none.
        TrainingError: it does not answer, or not any more.
    """
    try:
        yield
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(f"--storage {where} is no database's URL: {_first_line(error)}") from None
    except (StorageInternalError, SQLAlchemyError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not isinstance(error, SQLAlchemyError):
            raise
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        raise TrainingError(f"the storage {where} does not answer: {_first_line(cause)}") from None


def storage_url(given: str | None) -> str | None:
    """What the command line gives, else the environment."""
    return given or os.environ.get(VARIABLE) or None


def require_url(url: str) -> None:
    """Refuse what can be refused before anything is opened or made.

    Raises:
        ConfigError: a URL that is none, of another kind of database, or of SQLite without a file.
    """
    rule = "--storage must be sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
    if not url.startswith(DIALECTS) or "://" not in url:
        raise ConfigError(f"{rule}, got {masked(url)!r}")
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(f"{rule}, with a whole number for a port, got {masked(url)!r}") from None
    if url.startswith("sqlite") and _in_memory(parsed):
        raise ConfigError(f"{rule}: other processes must find the file, got {masked(url)!r}")


def _in_memory(url: URL) -> bool:
    return not url.database or ":memory:" in url.database or url.query.get("mode") == "memory"


def masked(url: str) -> str:
    """The URL without its passwords, to be shown and kept; of one that cannot be read, its scheme alone."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or "@" in (parsed.host or ""):  # an @ in the password, of which a part would stay
        return f"{url.partition('://')[0]}://{MASK}" if "://" in url else MASK
    return re.sub(r"(?i)(\w*password=)[^&]*", rf"\1{MASK}", parsed.render_as_string(hide_password=True))


class KernelLock(BaseJournalFileLock):
    """A lock that ends with the process that holds it, however that ends: Optuna's own would stand for 30 s."""

    def __init__(self, file: Path) -> None:
        self._path = file.with_name(f"{file.name}.lock")
        self._held: IO[str] | None = None

    def acquire(self) -> bool:
        """Wait for it."""
        self._held = self._path.open("a")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Give it back."""
        if self._held:
            self._held.close()
            self._held = None


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Be the only process that searches in this folder.

    Raises:
        ConfigError: another one does.
    """
    with (folder / LOCK).open("a") as file:
        if not try_hold(file):
            sleep(LOOK_SECONDS)
            if not try_hold(file):
                raise ConfigError(f"{folder} is being searched by another process; wait for it, or stop it with Ctrl-C")
        yield


def _mend(file: Path, lock: KernelLock) -> None:
    """Cut off a last line that a crash left half written: Optuna could read nothing behind it.

    Under the lock: the half line of a process that lives is whole by then.
    """
    if not _is_cut_off(file):  # most are not, and who only reads leaves no lock behind
        return
    lock.acquire()
    try:
        cut_half_line(file)
    finally:
        lock.release()


def _is_cut_off(file: Path) -> bool:
    content = file.read_bytes() if file.exists() else b""
    return bool(content) and not content.endswith(b"\n")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
