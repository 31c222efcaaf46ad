"""Files that are either whole or absent, and their hashes."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from eyas.core.errors import EyasError

CHUNK = 1 << 20


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write `content` to `path` so that a reader or a crash sees the old file or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def write_with(path: Path, write: Callable[[BytesIO], object]) -> None:
    """`write_bytes` for what a library writes into a file that is open."""
    content = BytesIO()
    write(content)
    write_bytes(path, content.getbuffer())


def copy_file(source: Path, target: Path) -> None:
    """`write_bytes` for a small file that there is."""
    write_bytes(target, source.read_bytes())


def write_text(path: Path, content: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, content.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON. NaN and infinity are refused: they are not JSON (RFC 8259)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a line of `columns` and one for each row, its values in their order; None is an empty cell."""
    content = StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, content.getvalue())


def read_json(path: Path) -> Any:
    """The JSON value in `path`."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256_file(path: Path) -> str:
    """The file's SHA-256 in hexadecimal (64 characters)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cut_half_line(file: Path) -> None:
    """Cut off what a killed writer has left after the last whole line; nothing, where there is no file."""
    try:
        with file.open("rb+") as opened:
            content = opened.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                opened.truncate(whole)
                os.fsync(opened.fileno())
    except FileNotFoundError:
        return


def sync(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder, so that what comes after is never ahead of it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def new_folder(target: Path, error: type[EyasError] = EyasError, mode: int = 0o755) -> Iterator[Path]:
    """Fill a folder beside `target` and rename it into place at the end; on any failure nothing stays.

    Args:
        target: the folder to make. It must not exist.
        error: what to raise when it does.
        mode: of the folder, in the end; until then nobody else may enter.

    Yields:
        The folder to write into, on the same file system as `target`.
    """
    taken = error(f"{target} exists already and is never overwritten; choose another name or remove it")
    if target.exists():
        raise taken
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.partial-"))
    try:
        yield partial
        partial.chmod(mode)
        _claim(partial, target, taken)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _claim(partial: Path, target: Path, taken: EyasError) -> None:
    """Rename, which fails where another process has filled `target` meanwhile."""
    try:
        partial.rename(target)
    except OSError as problem:
        if target.exists():
            raise taken from problem
        raise


def cache_dir() -> Path:
    """Where eyas keeps what it can make again: `$EYAS_CACHE_DIR`, else `$XDG_CACHE_HOME/eyas`."""
    if explicit := os.environ.get("EYAS_CACHE_DIR"):
        return Path(explicit).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eyas"
