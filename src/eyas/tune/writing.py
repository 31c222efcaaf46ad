"""A space as YAML: dotted keys of the configuration, each with its bounds or its choices.

    train.optimizer: [adam, sgd]
    train.learning_rate: {low: 0.0001, high: 0.1, log: true}
    train.momentum: {low: 0.0, high: 0.98, when: {train.optimizer: sgd}}
    model.filters: {choices: [[16, 32], [32, 64, 128]]}

Every end and every choice is tried on the configuration as it is read, so that a wrong one fails before any training.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from eyas.compare.plan import NOT_FOR_ARMS, validated, value_of
from eyas.core import plain_yaml
from eyas.core.config import overlay
from eyas.core.errors import ConfigError
from eyas.core.schema import Config
from eyas.tune.points import NETWORK, config_at, plain, point_of, settings_at
from eyas.tune.space import Choice, Dimension, Float, Int, Space, When, among, own_step

FIELDS = ("low", "high", "log", "step", "choices", "when")
# The study's own: what every trial shares, and what halving and the choice of the best rest on.
NOT_SEARCHED = (
    *NOT_FOR_ARMS,
    *(f"train.{key}" for key in ("epochs", "monitor", "workers", "launcher", "device", "threads")),
)


def read_space(file: Path, settings: Mapping[str, Any]) -> Space:
    """Read the file.

    Args:
        settings: nested, of the baseline.

    Raises:
        ConfigError: unreadable, empty, contradictory, an unknown key (with the nearest), or a bound or a choice that
            the configuration does not accept.
    """
    found = plain_yaml.read_file(file, "the search space", ConfigError)
    return parse_space(found or {}, settings, str(file))


def parse_space(found: Any, settings: Mapping[str, Any], where: str) -> Space:
    """`read_space` of what was read already; `where` names its origin."""
    if not isinstance(found, Mapping):
        raise ConfigError(f"{where} must be key: bounds or choices, got {found!r}")
    dimensions: dict[str, Dimension] = {}
    for key, about in found.items():
        _check_key(str(key), where)
        reader = _Reader(str(key), _fields(str(key), about, where), settings, dimensions, where)
        dimensions[str(key)] = reader.dimension()
    return Space(list(dimensions.values()))


def to_plain(space: Space) -> dict[str, Any]:
    """What `parse_space` reads."""
    return {dimension.name: _plain_dimension(dimension) for dimension in space}


def _plain_dimension(dimension: Dimension) -> dict[str, Any]:
    about: dict[str, Any]
    if isinstance(dimension, Choice):
        about = {"choices": list(dimension.choices)}
    else:
        about = {"low": dimension.low, "high": dimension.high}
        if dimension.log:
            about["log"] = True
        if (step := own_step(dimension)) is not None:
            about["step"] = step
    if dimension.when:
        about["when"] = {name: list(values) for name, values in dimension.when.items()}
    return about


def _fields(key: str, about: Any, where: str) -> Mapping[str, Any]:
    if isinstance(about, list):
        return {"choices": about}
    if not isinstance(about, Mapping):
        raise ConfigError(f"{key} in {where} must be a list of choices, or low and high, got {about!r}")
    for name in about:
        if name not in FIELDS:
            near = difflib.get_close_matches(str(name), FIELDS, n=1, cutoff=0.6)
            hint = f": did you mean {near[0]}?" if near else f"; known there: {', '.join(FIELDS)}"
            raise ConfigError(f"unknown field {name} of {key} in {where}{hint}")
    bounds = [name for name in ("low", "high") if name in about]
    if len(bounds) != (0 if "choices" in about else 2):
        raise ConfigError(
            f"{key} in {where} must have either choices, or low and high, got {', '.join(about) or 'nothing'}"
        )
    return about


def _check_key(key: str, where: str) -> None:
    for closed in NOT_SEARCHED:
        if f"{key}.".startswith(f"{closed}."):
            raise ConfigError(f"{where} must not search {key}: it is the same for all trials")


class _Reader:
    """One dimension, its values as the configuration takes them: `1e-4`, which YAML reads as text, is a number."""

    def __init__(
        self,
        key: str,
        about: Mapping[str, Any],
        settings: Mapping[str, Any],
        before: Mapping[str, Dimension],
        where: str,
    ) -> None:
        self._key, self._about, self._where = key, about, where
        self._before = before
        self._settings = settings
        self._when = self._conditions()

    def dimension(self) -> Dimension:
        """It."""
        if "choices" in self._about:
            choices = self._about["choices"]
            if not isinstance(choices, list):
                raise ConfigError(f"the choices of {self._key} in {self._where} must be a list, got {choices!r}")
            return Choice(self._key, tuple(self._accepted(choice, "the choice") for choice in choices), self._when)
        low, high = (self._accepted(self._about[end], f"the {end} bound") for end in ("low", "high"))
        for end, value in (("low", low), ("high", high)):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{end} of {self._key} in {self._where} must be a number, got {value!r}")
        log = self._about.get("log", False)
        if not isinstance(log, bool):
            raise ConfigError(f"log of {self._key} in {self._where} must be true or false, got {log!r}")
        if isinstance(low, int) and isinstance(high, int):
            step = self._step(whole=True)
            return Int(self._key, low, high, log, 1 if step is None else int(step), self._when)
        return Float(self._key, float(low), float(high), log, self._step(whole=False), self._when)

    def _step(self, *, whole: bool) -> float | None:
        step = self._about.get("step")
        if step is None:
            return None
        number = isinstance(step, int | float) and not isinstance(step, bool) and isfinite(step)
        if not number or (whole and step != int(step)):
            kind = "whole" if whole else "finite"
            raise ConfigError(f"step of {self._key} in {self._where} must be a {kind} number, got {step!r}")
        return float(step)

    def _conditions(self) -> dict[str, tuple[Any, ...]]:
        found = self._about.get("when") or {}
        if not isinstance(found, Mapping):
            raise ConfigError(f"`when` of {self._key} in {self._where} must be choice: values, got {found!r}")
        return {str(name): self._allowed(str(name), values) for name, values in found.items()}

    def _allowed(self, name: str, given: Any) -> tuple[Any, ...]:
        """Values of `when`, as the choice that they belong to has them; `Space` refuses those that it has not."""
        values = given if isinstance(given, list) else [given]
        parent = self._before.get(name)
        return tuple(self._own(parent, value) for value in values) if isinstance(parent, Choice) else tuple(values)

    def _own(self, parent: Choice, value: Any) -> Any:
        if among(value, parent.choices):
            return value
        try:
            return self._taken(parent.name, value, parent.when, f"`when` of {self._key} in {self._where}")
        except ConfigError:
            return value

    def _accepted(self, value: Any, what: str) -> Any:
        """The value as the configuration takes it, where the conditions of this dimension hold."""
        return self._taken(self._key, value, self._when, f"{what} {value!r} of {self._key} in {self._where}")

    def _taken(self, key: str, value: Any, when: When, where: str) -> Any:
        around = self._around(when)
        settings = settings_at(self._settings, Space(list(self._before.values())), around) if around else self._settings
        return plain(value_of(validated(_with(settings, key, value), where), key))

    def _around(self, when: When) -> dict[str, Any]:
        """A point of the choices that these conditions name, and of those that they depend on."""
        around: dict[str, Any] = {}
        wanted: list[tuple[str, Sequence[Any]]] = list(when.items())
        while wanted:
            name, values = wanted.pop()
            dimension = self._before.get(name)
            if dimension is None or not values:  # `Space` says so
                continue
            around[name] = values[0]
            wanted += [(key, own) for key, own in dimension.when.items() if key not in around]
        return {name: around[name] for name in self._before if name in around}


def _with(settings: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    if key == NETWORK:  # what belongs to the baseline's network would be refused beside another
        return overlay(dict(settings), {"model": {"name": value}})
    return overlay(dict(settings), {key: value})


def corners(space: Space, settings: Mapping[str, Any]) -> list[tuple[str, Config]]:
    """A configuration for each end and each choice of every dimension, the others as near to the baseline as may be.

    Returns:
        What it is, in words, and the configuration.
    """
    base, _ = point_of(validated(dict(settings), "the settings"), space)
    found = []
    for dimension in space:
        for value in ends(dimension):
            point = _completed(space, {**base, **_conditions_of(space, dimension), dimension.name: value}, base)
            where = f"{dimension.name}={value!r} of the search space"
            found.append((where, config_at(settings, space, point, where)))
    return found


def ends(dimension: Dimension) -> tuple[Any, ...]:
    """Low and high, or all choices."""
    return dimension.choices if isinstance(dimension, Choice) else (dimension.low, dimension.high)


def _conditions_of(space: Space, dimension: Dimension) -> dict[str, Any]:
    found: dict[str, Any] = {}
    wanted = list(dimension.when.items())
    while wanted:
        name, values = wanted.pop()
        found[name] = values[0]
        wanted += [(key, own) for key, own in space.dimensions[name].when.items() if key not in found]
    return found


def _completed(space: Space, wanted: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        dimension.name: wanted.get(dimension.name, base.get(dimension.name, ends(dimension)[0])) for dimension in space
    }
    return space.active(values)
