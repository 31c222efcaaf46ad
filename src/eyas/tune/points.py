"""From a point of the space to a configuration, and back: keys that do not matter there have the schema's defaults."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from math import isclose
from typing import Any

from eyas.compare.plan import validated, value_of
from eyas.core.config import overlay
from eyas.core.schema import Config
from eyas.train.optim.choosing import DEFAULT_LEARNING_RATE, KERAS_ADAMW_DECAY
from eyas.tune.space import Choice, Dimension, Float, Space, among, is_active

NETWORK = "model.name"


def settings_at(settings: Mapping[str, Any], space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """The nested settings with a point set in them.

    A key of the space that is not active there is taken out: beside adam, a momentum that sgd had would be refused. So
    is what belongs to another network than the point's.

    Args:
        settings: nested, of the baseline.
        values: dotted key → value, of the active dimensions.
    """
    made = copy.deepcopy(dict(settings))
    if NETWORK in values and values[NETWORK] != value_of(validated(made, "the settings"), NETWORK):
        made["model"] = {}
    for dimension in space:
        if dimension.name not in values:
            _take_out(made, dimension.name)
    return overlay(made, values)


def config_at(settings: Mapping[str, Any], space: Space, values: Mapping[str, Any], where: str) -> Config:
    """`settings_at`, validated.

    Raises:
        ConfigError: names the key, with `where`.
    """
    return validated(settings_at(settings, space, values), where)


def point_of(config: Config, space: Space) -> tuple[dict[str, Any], bool]:
    """Where a configuration lies in the space.

    Returns:
        The values of its active dimensions that lie within them, and whether all do.
    """
    values: dict[str, Any] = {}
    whole = True
    for dimension in space:
        if not is_active(dimension, values):
            continue
        value = effective(config, dimension.name)
        if contains(dimension, value):
            values[dimension.name] = _typed(dimension, value)
        else:
            whole = False
    return values, whole


def effective(config: Config, key: str) -> Any:
    """A key's value as training takes it: an unset learning rate is the optimiser's. Tuples as lists, as in YAML."""
    value = value_of(config, key)
    if value is None and key == "train.learning_rate":
        return DEFAULT_LEARNING_RATE[config.train.optimizer]
    if value is None and key == "train.weight_decay":
        return KERAS_ADAMW_DECAY if config.train.optimizer == "adamw" else 0.0
    return plain(value)


def plain(value: Any) -> Any:
    """Tuples as lists."""
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def contains(dimension: Dimension, value: Any) -> bool:
    """Whether the dimension can take the value."""
    if isinstance(dimension, Choice):
        return among(value, dimension.choices)
    if isinstance(value, bool) or not isinstance(value, int | float) or not dimension.low <= value <= dimension.high:
        return False
    steps = (value - dimension.low) / dimension.step if dimension.step else 0.0
    return isclose(steps, round(steps), abs_tol=1e-9)


def _typed(dimension: Dimension, value: Any) -> Any:
    return float(value) if isinstance(dimension, Float) else value


def _take_out(values: dict[str, Any], key: str) -> None:
    *parents, last = key.split(".")
    node: Any = values
    for parent in parents:
        node = node.get(parent) if isinstance(node, dict) else None
    if isinstance(node, dict):
        node.pop(last, None)
