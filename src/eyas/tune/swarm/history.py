"""What a swarm has tried and been told: arrays that grow, and what they say of each particle."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from eyas.core.errors import ConfigError
from eyas.tune.swarm.encoding import Encoding, Flags, Floats, Ints, Points
from eyas.tune.swarm.moves import State
from eyas.tune.swarm.rungs import gains

Place = tuple[int, int, State]
"""Particle, its life, its state after the move."""


@dataclass
class Tried:
    """One point."""

    number: int
    row: int
    place: Place | None
    curve: dict[int, float] = field(default_factory=dict)
    """Rung: value. Empty while pending, and of a failure."""

    @property
    def rank(self) -> tuple[int, float]:
        """Smaller is better: a higher rung first, then a smaller value; a failure is the worst."""
        if not self.curve:
            return 1, np.inf
        rung = max(self.curve)
        return -rung, self.curve[rung]


@dataclass
class Life:
    """One particle from where it was placed to where it was placed anew."""

    moves: list[Tried] = field(default_factory=list)
    best: Tried | None = None
    stale: int = 0
    """Moves that were told since the best one."""

    def told(self, tried: Tried) -> None:
        """Of one of its moves."""
        if tried.curve and (self.best is None or self.best is tried or tried.rank < self.best.rank):
            self.best, self.stale = tried, 0
        else:
            self.stale += 1

    @property
    def last(self) -> State | None:
        """After the latest move."""
        place = self.moves[-1].place if self.moves else None
        return place[2] if place else None


class History:
    """All points by number."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        numbers, choices = encoding.width
        self._tried: dict[int, Tried] = {}
        self._numbers, self._picks = np.empty((64, numbers)), np.empty((64, choices), dtype=np.int64)
        self._features = np.empty((64, int(encoding.groups.size)))
        self._values, self._rungs = np.empty(64), np.empty(64, dtype=np.int64)
        self._settled = np.zeros(64, dtype=bool)
        self._size = self._told = 0
        self._largest = -1
        self._pending: dict[int, Tried] = {}
        self._ranking: list[tuple[tuple[int, float], int]] = []  # (rank, row) of all that was told, the best first
        self._lives: dict[int, list[Life]] = {}
        # A random projection of the features tells tried points apart: two share one with a chance of about 10^-12.
        self._projection = np.random.default_rng(0).random(self._features.shape[1])
        self._seen: set[float] = set()

    @property
    def told(self) -> int:
        """Points whose value, or failure, is known."""
        return self._told

    def next_number(self) -> int:
        """One more than the largest."""
        return self._largest + 1

    def add(self, number: int, point: Points, given: Flags | None, place: Place | None) -> None:
        """One more pending point.

        Args:
            number: its own.
            point: one row.
            given: (1, A + B) its active dimensions; None where the space's conditions say.
            place: of the particle that moved there.

        Raises:
            ConfigError: the number is taken.
        """
        if number in self._tried:
            raise ConfigError(f"the number of a move must be new, got {number} again")
        if self._size == len(self._values):
            self._grow()
        row, self._size = self._size, self._size + 1
        features = self._encoding.features(point, given)
        self._numbers[row], self._picks[row], self._features[row] = point.numbers[0], point.picks[0], features[0]
        self._seen.update(self._keys(features))
        tried, self._largest = Tried(number, row, place), max(self._largest, number)
        self._tried[number] = self._pending[number] = tried
        if place is not None:
            moves = self._life(place).moves
            moves.append(tried)
            if len(moves) > 1 and moves[-2].number > number:  # kept moves may come in any order
                moves.sort(key=lambda tried: tried.number)

    def tell(self, number: int, value: float | None, rung: int, before: Mapping[int, float]) -> None:
        """A value, with those of the rungs below it, or a failure."""
        if number not in self._tried:
            raise ConfigError(f"a swarm can be told only of its moves, got the number {number}")
        tried = self._tried[number]
        if self._pending.pop(number, None):
            self._settled[tried.row] = True
            self._told += 1
        else:
            self._ranking.remove((tried.rank, tried.row))
        if value is not None:
            tried.curve |= {**before, rung: value}
        if tried.place is not None:
            self._life(tried.place).told(tried)
        insort(self._ranking, (tried.rank, tried.row))
        top = max(tried.curve, default=-1)
        self._rungs[tried.row], self._values[tried.row] = top, tried.curve.get(top, np.nan)

    def drop(self, number: int) -> None:
        """Forget a pending point: it may be asked for again."""
        if tried := self._pending.pop(number, None):
            self._seen -= set(self._keys(self._features[[tried.row]]))
            del self._tried[number]
            if tried.place is not None:
                self._life(tried.place).moves.remove(tried)

    def busy(self) -> set[int]:
        """Particles that have a pending move."""
        return {tried.place[0] for tried in self._pending.values() if tried.place is not None}

    def life(self, particle: int, patience: int) -> int:
        """The particle's life that its next move belongs to: a new one after `patience` moves without a better one."""
        lives = self._lives.get(particle, [])
        return len(lives) if lives and lives[-1].stale >= patience else max(0, len(lives) - 1)

    def particle(self, particle: int, life: int) -> tuple[State | None, Points | None]:
        """Where it is, and its best point; None for what it has not got in this life."""
        lives = self._lives.get(particle, [])
        if life >= len(lives):
            return None, None
        best = lives[life].best
        return lives[life].last, None if best is None else self._points([best.row])

    def informants(self, rng: Generator, count: int, most: int) -> Points:
        """`count` of the best points, at most `most` different ones, the better the more often."""
        among = max(1, min(most, len(self._ranking) // 5 + 1))
        best = np.array([row for _, row in self._ranking[:among]])
        return self._points(best[(rng.random(count) ** 2 * among).astype(np.int64)])

    def gains(self) -> dict[int, float]:
        """What to add to the values at each rung; see `rungs.gains`."""
        return gains([tried.curve for tried in self._tried.values() if tried.curve])

    def known(self, gained: Mapping[int, float]) -> tuple[Ints, Floats]:
        """(n,) rows and (n,) finite values of all that was told, those of each rung raised by what it gains."""
        rows = np.flatnonzero(self._settled)
        values, rungs = self._values[rows], self._rungs[rows]
        for rung, gain in gained.items():
            if gain:
                values = values + np.where(rungs == rung, gain, 0.0)
        failed = np.isnan(values)
        if failed.any():
            values = np.where(failed, 0.0 if failed.all() else np.nanmax(values), values)
        return rows, values

    def features(self, rows: Ints) -> Floats:
        """(n, F) features of the points in these rows."""
        found: Floats = self._features[rows]
        return found

    def pending(self) -> Floats:
        """(m, F) features of the points that nothing was told of."""
        return self._features[[tried.row for tried in self._pending.values()]]

    def untried(self, features: Floats) -> Ints:
        """Rows of the (M, F) features that are new."""
        return np.array([k for k, key in enumerate(self._keys(features)) if key not in self._seen], dtype=np.int64)

    def _life(self, place: Place) -> Life:
        lives = self._lives.setdefault(place[0], [])
        while len(lives) <= place[1]:
            lives.append(Life())
        return lives[place[1]]

    def _keys(self, features: Floats) -> list[float]:
        found: list[float] = np.round(features @ self._projection, 11).tolist()
        return found

    def _points(self, rows: Ints | list[int]) -> Points:
        return Points(self._numbers[rows], self._picks[rows])

    def _grow(self) -> None:
        for name in ("_numbers", "_picks", "_features", "_values", "_rungs", "_settled"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros_like(old)]))
