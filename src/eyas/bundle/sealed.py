"""A folder whose files are all listed, each with its hash, in one JSON file that holds a digest of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from eyas.bundle.manifest import digest_of
from eyas.core import io
from eyas.core.errors import IntegrityError
from eyas.core.schema import Section
from eyas.core.schema.section import first_fault

M = TypeVar("M", bound=Section)


def seal(folder: Path, name: str, kind: type[M], /, **fields: Any) -> M:
    """Hash all files of a folder, and end it with the one that lists them.

    Args:
        name: of that file.
        kind: of what it holds.
        fields: all of them but `files` and `digest`.
    """
    hashes = {file: io.sha256_file(folder / file) for file in sorted(_files(folder, name))}
    values = kind.model_validate(fields | {"files": hashes}).model_dump(mode="json")
    values["digest"] = digest_of(values)
    io.write_json(folder / name, values)
    return kind.model_validate(values)


def read_listing(file: Path, kind: type[M], require_version: Callable[[object], None]) -> M:
    """The file that lists the others, which are not looked at.

    Args:
        require_version: raises where this eyas does not read a schema version; it gets None where there is none.

    Raises:
        IntegrityError: it is damaged.
    """
    try:
        values = io.read_json(file)
    except ValueError as error:
        raise IntegrityError(f"{file} is not valid JSON: {error}") from error
    require_version(values.get("schema_version") if isinstance(values, dict) else None)
    try:
        found = kind.model_validate(values)
    except ValidationError as error:
        raise IntegrityError(f"{file}: {first_fault(error)}") from error
    if values.get("digest") != digest_of(values):
        raise IntegrityError(f"{file} has changed since it was written: its digest no longer fits its content")
    return found


def require_whole(
    folder: Path, name: str, files: Mapping[str, str], required: Iterable[str] = (), advice: str = ""
) -> None:
    """Check that a folder holds what its `name` lists, to the byte, and nothing else.

    Args:
        files: SHA-256 by name.
        required: names that must be listed.
        advice: ends what is said of a file that is missing or changed.

    Raises:
        IntegrityError: a missing, changed or unlisted file.
    """
    found = _files(folder, name)
    for extra in sorted(found - files.keys()):
        raise IntegrityError(f"{folder / extra} is not listed in {name}")
    for file in (*required, *files):
        if file not in found:
            raise IntegrityError(f"{folder} lacks {file}{advice}")
    for file, expected in files.items():
        if (actual := io.sha256_file(folder / file)) != expected:
            raise IntegrityError(
                f"{folder / file} has changed since it was written: SHA-256 must be {expected}, got {actual}{advice}"
            )


def _files(folder: Path, name: str) -> set[str]:
    """All but `name`."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {name}
