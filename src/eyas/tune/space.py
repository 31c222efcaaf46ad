"""What may be searched: numbers within bounds, choices from a list, and those that matter only beside others.

Values are plain Python numbers, strings, booleans or None. A dimension with `when` is active only where an earlier
dimension, a choice, took one of the values named there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any

from eyas.core.errors import ConfigError

When = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Float:
    """A real number in [low, high], spread evenly or, with `log`, evenly over its orders of magnitude."""

    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    """Only low, low + step, low + 2 step…; not with `log`."""
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_bounds(self.name, self.low, self.high, self.log)
        if self.step is not None and (self.log or not 0 < self.step < inf):
            raise ConfigError(f"the step of {self.name} must be positive and finite, not beside log, got {self.step}")


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high]."""

    name: str
    low: int
    high: int
    log: bool = False
    step: int = 1
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_bounds(self.name, self.low, self.high, self.log)
        for end in ("low", "high", "step"):
            if not isinstance(getattr(self, end), int):
                raise ConfigError(f"{end} of {self.name} must be a whole number, got {getattr(self, end)!r}")
        if self.step < 1 or (self.log and self.step != 1):
            raise ConfigError(f"the step of {self.name} must be at least 1, and 1 beside log, got {self.step}")


@dataclass(frozen=True)
class Choice:
    """One of a list, without an order among them."""

    name: str
    choices: tuple[Any, ...]
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.choices:
            raise ConfigError(f"the choices of {self.name} must be at least one, got none")
        if len({repr(choice) for choice in self.choices}) < len(self.choices):
            raise ConfigError(f"the choices of {self.name} must differ, got {list(self.choices)}")


Dimension = Float | Int | Choice


def own_step(dimension: Float | Int) -> float | None:
    """The step, where it leaves out values that the dimension would else have: a whole number's of 1 does not."""
    return None if isinstance(dimension, Int) and dimension.step == 1 else dimension.step


class Space:
    """Dimensions by name, in order.

    Raises:
        ConfigError: none at all, a name twice, or a `when` that names no earlier choice or a value it cannot take.
    """

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        if not dimensions:
            raise ConfigError("the search space must have at least one dimension, got none")
        self.dimensions: dict[str, Dimension] = {}
        for dimension in dimensions:
            self._check(dimension)
            self.dimensions[dimension.name] = dimension

    def __iter__(self) -> Iterator[Dimension]:
        return iter(self.dimensions.values())

    def __len__(self) -> int:
        return len(self.dimensions)

    def active(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that matter, in the space's order: those whose conditions the others meet."""
        found: dict[str, Any] = {}
        for dimension in self:
            if is_active(dimension, found):
                found[dimension.name] = values[dimension.name]
        return found

    def _check(self, dimension: Dimension) -> None:
        if dimension.name in self.dimensions:
            raise ConfigError(f"the search space must name {dimension.name} once, got it twice")
        for name, values in dimension.when.items():
            other = self.dimensions.get(name)
            if not isinstance(other, Choice):
                raise ConfigError(f"`when` of {dimension.name} must name a choice that stands before it, got {name}")
            if not values:
                raise ConfigError(f"`when` of {dimension.name} must name a value of {name}, got none")
            if impossible := [value for value in values if not among(value, other.choices)]:
                raise ConfigError(
                    f"`when` of {dimension.name} must name values that {name} can take, "
                    f"{list(other.choices)}, got {impossible}"
                )


def among(value: Any, choices: Sequence[Any]) -> bool:
    """Whether it is one of them, of the same type too: 1 is neither true nor 1.0."""
    return any(type(choice) is type(value) and choice == value for choice in choices)


def is_active(dimension: Dimension, values: Mapping[str, Any]) -> bool:
    """Whether it matters beside the active values of the dimensions before it."""
    return all(name in values and among(values[name], allowed) for name, allowed in dimension.when.items())


def _check_bounds(name: str, low: float, high: float, log: bool) -> None:
    if not (isfinite(low) and isfinite(high) and low <= high):
        raise ConfigError(f"{name} must have finite bounds with low at most high, got [{low}, {high}]")
    if log and low <= 0:
        raise ConfigError(f"{name} on a log scale must have a low bound greater than 0, got {low}")
