"""Where JSON pixels break their rule: looked for only once reading them has failed, so it may take its time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eyas.core.errors import InputError

KINDS = {b"{": "an object", b"[": "a list", b'"': "a string", b"t": "true", b"f": "false", b"n": "null", b"": "nothing"}
NAMES = {dict: "an object", list: "a list", type(None): "null"}
MOST_VALUES = 2_000_000  # more would take hundreds of megabytes as Python objects: the fault is then told in general
LONGEST_INT = 20  # digits; longer ones are out of every range, and slow to convert exactly


@dataclass(frozen=True)
class Place:
    """Where the pixels are in a body."""

    pointer: str = "/data"
    """JSON pointer (RFC 6901)."""
    for_bytes: str = 'send "range": 255 for bytes'
    """What to do where values above 1 were meant."""


DATA = Place()


def find_fault(data: bytes, depth: int, top: int, place: Place = DATA) -> InputError:
    """The first value of `data`, read from left to right, that is not what its place asks for.

    Args:
        data: valid JSON but for NaN and Infinity, which are told as values out of range.
        depth: how many lists enclose every number.
        top: every number must lie in [0, top].
        place: of `data`.
    """
    at = place.pointer
    general = InputError(f"{at} must be lists of numbers, as deep and as long as each other", at)
    if not searchable(data):
        return general
    try:
        values = json.loads(data.decode("utf-8", "replace"), parse_int=_parse_int)
        return next(_faults(values, at, _first_lengths(values), depth, _Rule(top, place)))
    except (ValueError, RecursionError, StopIteration):
        return general


def searchable(text: bytes) -> bool:
    """Whether a JSON text has few enough values to be made into Python objects."""
    return sum(map(text.count, (b",", b"[", b"{"))) <= MOST_VALUES


def out_of_range(pointer: str, value: float, top: int, place: Place = DATA) -> InputError:
    """A number outside [0, top]."""
    hint = f"; {place.for_bytes}" if top == 1 and 1 < value <= 255 else ""
    return InputError(f"{pointer} must be in [0, {top}], got {_number(value)}{hint}", pointer)


def kind(text: bytes) -> str:
    """What a JSON text holds, by how it begins."""
    return KINDS.get(text.lstrip(b" \t\r\n")[:1], "a number")


@dataclass(frozen=True)
class _Rule:
    top: int
    place: Place


def _faults(value: Any, pointer: str, lengths: list[int], depth: int, rule: _Rule) -> Iterator[InputError]:
    """Faults of one value, `depth` lists above the numbers; `lengths`: of the first list at each level from here."""
    if depth == 0:
        yield from _number_faults(value, pointer, rule)
    elif not isinstance(value, list):
        yield InputError(f"{pointer} must be a list, as its neighbours are, got {_name(value)}", pointer)
    elif not value:
        yield InputError(f"{pointer} must not be empty", pointer)
    elif len(value) != lengths[0]:
        yield InputError(f"{pointer} must hold {lengths[0]} values, as those before it do, got {len(value)}", pointer)
    else:
        for index, inner in enumerate(value):
            if depth == 1 and type(inner) in (int, float) and 0 <= inner <= rule.top:
                continue  # nearly all of them: their pointers need not be made
            yield from _faults(inner, f"{pointer}/{index}", lengths[1:], depth - 1, rule)


def _number_faults(value: Any, pointer: str, rule: _Rule) -> Iterator[InputError]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield InputError(f"{pointer} must be a number, got {_name(value)}", pointer)
    elif not 0 <= value <= rule.top:
        yield out_of_range(pointer, value, rule.top, rule.place)


def _first_lengths(value: Any) -> list[int]:
    """Length of the first list at each level."""
    lengths = []
    while isinstance(value, list):
        lengths.append(len(value))
        value = value[0] if value else None
    return lengths


def _parse_int(digits: str) -> float:
    return int(digits) if len(digits) <= LONGEST_INT else float(digits)


def _name(value: Any) -> str:
    if isinstance(value, str):
        return f"a string, {value[:20]!r}"
    if isinstance(value, bool):
        return str(value).lower()
    return NAMES.get(type(value), "a number")


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return f"{value:.0f}" if value == int(value) and abs(value) < 10**LONGEST_INT else repr(float(value))
