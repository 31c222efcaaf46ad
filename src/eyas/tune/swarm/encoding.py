"""Between values and coordinates.

A point has `numbers` (A,), each number on its own scale in [0, 1], and `picks` (B,), the index of each choice. The
surrogate sees `features`: the numbers as they come back from rounding, then each choice as an indicator vector. What is
inactive says nothing: a number is then 1/2, an indicator vector all 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.tune.space import Choice, Float, Int, Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Two different values of one choice are then as far apart as the two ends of a number.
INDICATOR = 0.5**0.5


@dataclass(frozen=True)
class Points:
    """M points."""

    numbers: Floats
    """(M, A) in [0, 1]."""
    picks: Ints
    """(M, B) indices."""

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Any) -> Points:
        return Points(self.numbers[rows], self.picks[rows])


class Encoding:
    """How the values of one space become coordinates, and back."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._numeric = [d for d in space if not isinstance(d, Choice)]
        self._choices = [d for d in space if isinstance(d, Choice)]
        self.sizes = np.array([len(d.choices) for d in self._choices], dtype=np.int64)
        """(B,) values of each choice."""
        self.first = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        """(B + 1,) where the indicators of each choice begin."""
        scales = np.array([_scale(d) for d in self._numeric], dtype=float).reshape(-1, 6)
        self._low, self._high, self._step, log, self._start, self._span = scales.T
        self._log, self._stepped = log > 0, self._step > 0
        self._stride = np.where(self._stepped, self._step, 1.0)
        steps = np.floor((self._high - self._low) / self._stride + 1e-9)
        self._last = np.where(self._stepped, self._low + self._stride * steps, self._high)  # that the steps reach
        self.groups = np.concatenate(
            [np.arange(len(self._numeric)), len(self._numeric) + np.repeat(np.arange(len(self.sizes)), self.sizes)]
        ).astype(np.int64)
        """(F,) the dimension of each feature, numbers first."""
        self._conditions = self._find_conditions()

    @property
    def width(self) -> tuple[int, int]:
        """A and B."""
        return len(self._numeric), len(self.sizes)

    def rounded(self, numbers: Floats) -> Floats:
        """(M, A) the coordinates of the values that (M, A) coordinates stand for."""
        if not len(self._numeric):
            return numbers
        values = self._values(numbers)
        again = np.where(self._log, np.log(np.where(self._log, values, 1.0)), values) if self._log.any() else values
        coordinates: Floats = (again - self._start) / self._span
        return coordinates

    def features(self, points: Points, active: Flags | None = None) -> Floats:
        """(M, F) what the surrogate sees of points whose numbers are rounded.

        Args:
            active: (M, A + B) by dimension, numbers first; by default as the space's conditions say.
        """
        count = len(points)
        indicators = np.zeros((count, int(self.first[-1])))
        rows = np.arange(count)[:, None]
        indicators[rows, self.first[:-1] + points.picks] = INDICATOR
        found = np.concatenate([points.numbers, indicators], 1)
        active = self.active(points) if active is None else active
        if active is None:
            return found
        idle = np.where(np.arange(found.shape[1]) < len(self._numeric), 0.5, 0.0)
        return np.where(active[:, self.groups], found, idle)

    def active(self, points: Points) -> Flags | None:
        """(M, A + B) which dimensions matter; None where all always do."""
        if not self._conditions:
            return None
        found = np.ones((len(points), len(self._numeric) + len(self.sizes)), dtype=bool)
        for own, parent, allowed in self._conditions:  # in the space's order: a parent is settled before its children
            column = parent - len(self._numeric)
            found[:, own] &= found[:, parent] & np.isin(points.picks[:, column], allowed)
        return found

    def decode(self, points: Points, row: int) -> dict[str, Any]:
        """The active values of one point, in the space's order."""
        values: dict[str, Any] = {}
        for dimension, value in zip(self._numeric, self._values(points.numbers[row]).tolist(), strict=True):
            values[dimension.name] = round(value) if isinstance(dimension, Int) else _plain(value, dimension)
        for choice, index in zip(self._choices, points.picks[row], strict=True):
            values[choice.name] = choice.choices[index]
        return self.space.active(values)

    def encode(self, values: Mapping[str, Any]) -> tuple[Points, Flags]:
        """One point, and (1, A + B) which of its dimensions are given; for the others it says 1/2 and the first choice.

        A number outside the bounds is moved to them; a value that is none of the choices counts as not given.
        """
        numbers, picks = np.full((1, len(self._numeric)), 0.5), np.zeros((1, len(self.sizes)), dtype=np.int64)
        given = np.zeros((1, len(self._numeric) + len(self.sizes)), dtype=bool)
        for k, dimension in enumerate(self._numeric):
            if dimension.name in values:
                value = min(max(float(values[dimension.name]), self._low[k]), self._high[k])
                raw = np.log(value) if self._log[k] else value
                numbers[0, k], given[0, k] = (raw - self._start[k]) / self._span[k], True
        for k, choice in enumerate(self._choices):
            if choice.name in values and (index := _index(choice, values[choice.name])) is not None:
                picks[0, k], given[0, len(self._numeric) + k] = index, True
        return Points(self.rounded(numbers), picks), given

    def _values(self, numbers: Floats) -> Floats:
        """(M, A) the values that coordinates stand for."""
        raw = self._start + numbers * self._span
        values = np.where(self._log, np.exp(np.where(self._log, raw, 0.0)), raw) if self._log.any() else raw
        if self._stepped.any():
            stepped = self._low + self._stride * np.round((values - self._low) / self._stride)
            values = np.where(self._stepped, stepped, values)
        return np.clip(values, self._low, self._last)

    def _find_conditions(self) -> list[tuple[int, int, Ints]]:
        """(dimension, the choice it hangs on, allowed indices of that choice), in the space's order."""
        order = {d.name: k for k, d in enumerate([*self._numeric, *self._choices])}
        return [
            (order[d.name], order[name], np.array([_index(parent, value) for value in allowed]))
            for d in self.space
            for name, allowed in d.when.items()
            if isinstance(parent := self.space.dimensions[name], Choice)
        ]


def _scale(dimension: Float | Int) -> tuple[float, float, float, float, float, float]:
    """Low, high, step (0: none), log (0 or 1), and where the coordinates 0 and 1 lie on the dimension's scale.

    A stepped number owns half a step on either side, so that its two ends are as likely as what lies between.
    """
    low, high, step = float(dimension.low), float(dimension.high), float(dimension.step or 0.0)
    reach = step / 2
    start, end = low - reach, high + reach
    if dimension.log:
        start, end = np.log(max(start, low / 2)), np.log(end)
    return low, high, step, float(dimension.log), start, (end - start) or 1.0


def _plain(value: float, dimension: Float) -> float:
    """0.3, where three steps of 0.1 come to 0.30000000000000004."""
    return min(float(f"{value:.12g}"), dimension.high) if dimension.step else value


def _index(choice: Choice, value: Any) -> int | None:
    """Which of the choices it is; True is not 1 here."""
    return next((k for k, c in enumerate(choice.choices) if c == value and type(c) is type(value)), None)
