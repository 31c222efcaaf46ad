"""YAML of plain values: read with every fault told as one kind, and written the one way we write it."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

import yaml

from eyas.core.errors import EyasError

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where it is there: ten times as fast
OPENING = "[{-?"
DEEP = 300
"""Characters of `OPENING` in a text that may be nested: libyaml follows as deep as they go, until the process dies."""
# Besides YAML's own, what PyYAML lets through: a value that does not fit its tag.
BROKEN = (yaml.YAMLError, LookupError, AttributeError, TypeError, OverflowError)


def read(text: str) -> Any:
    """The value that a text holds; None for an empty one.

    Raises:
        ValueError: it is no YAML, or holds what is no value, such as the date 2024-13-45.
    """
    return _read(text, yaml.SafeLoader)


def read_ours(text: str) -> Any:
    """As `read`, of a text that `dump` wrote, and faster: libyaml passes over faults that people make.

    Raises:
        ValueError: as of `read`.
    """
    if sum(map(text.count, OPENING)) <= DEEP:
        with suppress(ValueError):  # PyYAML's own words show the line
            return _read(text, LOADER)
    return read(text)


def _read(text: str, loader: Any) -> Any:
    try:
        return yaml.load(text, loader)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except BROKEN as error:
        raise ValueError(str(error)) from error


def read_file(file: Path, what: str, error: type[EyasError]) -> Any:
    """The value that a UTF-8 file holds.

    Args:
        what: the file, in the message where it cannot be opened.
        error: what to raise then, and where the file is no YAML.
    """
    try:
        return read(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise error(f"cannot read {what} {file}: {problem.strerror}") from problem
    except ValueError as problem:
        raise error(f"{file} is not valid YAML: {problem}") from problem


def dump(value: Any, **layout: Any) -> str:
    """The text of a value, its keys in their order; `layout` is PyYAML's, such as `width=200`."""
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, **layout)
    return text


def one_line(value: Any) -> str:
    """A value as it would stand behind its key."""
    broken = isinstance(value, str) and value.splitlines() not in ([], [value])
    style: Any = '"' if broken else None
    text: str = yaml.safe_dump(value, default_flow_style=True, default_style=style, allow_unicode=not broken, width=inf)
    return text.removesuffix("\n...\n").strip()
