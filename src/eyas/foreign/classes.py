"""The names of a model's classes, in the order of its outputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import ConfigError, DataError

SHOWN = 5


def read_classes(file: Path) -> tuple[str, ...]:
    """Names from a text file, one a line, or from JSON.

    JSON is a list, `{"0": "cat"}`, `{"0": ["n02", "cat"]}` or `{"cat": 0}`.

    Raises:
        ConfigError: no such file, none of these, or a name twice.
    """
    if not file.is_file():
        raise ConfigError(f"--classes {file} is no file")
    try:
        text = file.read_text(encoding="utf-8-sig")
        names = _from_json(json.loads(text)) if file.suffix == ".json" else text.splitlines()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"--classes {file} must be names in UTF-8, one a line, or JSON: {error}") from error
    found = tuple(name.strip() for name in names if name.strip())
    if twice := sorted({name for name in found if found.count(name) > 1}):
        raise ConfigError(f"--classes {file} must have each name once, got {', '.join(twice[:SHOWN])} again")
    return found


def order_of(stated: Sequence[str] | None, classes: Sequence[str]) -> NDArray[np.int64]:
    """(K,) which of the model's outputs is each of the dataset's classes.

    Args:
        stated: of the model's outputs, in their order; the dataset's where None.
        classes: of the dataset.

    Raises:
        DataError: other names.
    """
    if stated is None:
        return np.arange(len(classes))
    lacks, unknown = sorted({*classes} - {*stated}), sorted({*stated} - {*classes})
    if lacks or unknown:
        raise DataError(
            "the classes of --classes must be the dataset's, in the order of the model's outputs; "
            f"missing: {_some(lacks)}; unknown: {_some(unknown)}"
        )
    return np.array([stated.index(name) for name in classes], np.int64)


def _from_json(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    if isinstance(value, dict) and value and all(isinstance(number, int) for number in value.values()):
        value = {str(number): name for name, number in value.items()}
    if not isinstance(value, dict) or {*value} != {str(number) for number in range(len(value))}:
        raise ValueError("a list of names, or an object of names by number from 0 is expected")
    found = [value[str(number)] for number in range(len(value))]
    return [name[-1] if isinstance(name, list) else name for name in found]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more if names else "none"
