"""What the files of runs and studies hold, as plain values. All of them raise ValueError where a file is not whole."""

from __future__ import annotations

import csv
import io
import json
from math import isfinite
from typing import Any

from eyas.core import plain_yaml

Cells = list[float | None]


def history(content: bytes) -> tuple[list[str], list[Cells]]:
    """Columns and rows of `history.csv`; None for an empty cell or what is no finite number."""
    lines = list(csv.reader(io.StringIO(content.decode())))
    if not lines:
        raise ValueError("no header")
    columns, rows = lines[0], lines[1:]
    if any(len(row) != len(columns) for row in rows):
        raise ValueError("a row that is not whole")
    return columns, [[_number(cell) for cell in row] for row in rows]


def _number(cell: str) -> float | None:
    value = float(cell) if cell else None
    return value if value is not None and isfinite(value) else None


def yaml_document(content: bytes) -> dict[str, Any]:
    """A mapping, with values that JSON has: dates and the like as text."""
    found = plain_yaml.read_ours(content.decode())
    if not isinstance(found, dict):
        raise ValueError("no mapping")  # noqa: TRY004 (as of any other content)
    values: dict[str, Any] = json_like(found)
    return values


def json_document(content: bytes) -> Any:
    """Any value."""
    return json.loads(content, parse_constant=lambda _: None)


def json_mapping(content: bytes) -> dict[str, Any]:
    """An object."""
    found = json_document(content)
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 (as of any other content)
    return found


def json_like(value: Any) -> Any:
    """The value with mappings, lists and what JSON has for a leaf."""
    if isinstance(value, dict):
        return {str(key): json_like(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_like(one) for one in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
