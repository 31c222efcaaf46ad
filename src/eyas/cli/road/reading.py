"""Small files that may be damaged."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from eyas.core import plain_yaml

Troubles: TypeAlias = list[str]
"""One sentence for each file that cannot be read."""
Value = TypeVar("Value")
NEITHER: tuple[str | None, str | None] = (None, None)
"""Of two values that are read together."""
BROKEN = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, csv.Error)


def read_or(file: Path, name: str, read: Callable[[Path], Value], missing: Value, troubles: Troubles) -> Value:
    """What `read` makes of the file.

    Args:
        file: to read.
        name: what it is called in a trouble.
        read: may raise any of `BROKEN`.
        missing: the value where there is no such file, or it is broken; then `troubles` gets a sentence.
    """
    try:
        return read(file)
    except FileNotFoundError:
        return missing
    except BROKEN as error:
        troubles.append(f"{name} cannot be read: {_reason(error)}")
        return missing


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError: it is no such thing.
    """
    return _mapping(json.loads(file.read_bytes()))


def read_yaml(file: Path) -> dict[str, Any]:
    """A YAML mapping.

    Raises:
        ValueError: it is no such thing.
    """
    return _mapping(plain_yaml.read_ours(file.read_text(encoding="utf-8")))


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return " ".join(str(error).split())


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"it must hold key: value pairs, got {type(value).__name__}")  # noqa: TRY004 - of the file
    return value
