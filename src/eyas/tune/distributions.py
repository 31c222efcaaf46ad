"""Dimensions in Optuna's words. A choice that is a list goes by its JSON, for Optuna's choices are single values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from math import floor
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from eyas.tune.space import Choice, Dimension, Float, Int, Space, is_active

Label = None | bool | int | float | str


def distribution(dimension: Dimension) -> BaseDistribution:
    """Optuna's; a high bound that the steps do not meet falls to the last step, as it means the same."""
    if isinstance(dimension, Choice):
        return CategoricalDistribution(list(labels(dimension)))
    if isinstance(dimension, Float):
        high = dimension.high
        if dimension.step:
            last = dimension.low + floor((high - dimension.low) / dimension.step + 1e-9) * dimension.step
            high = min(high, float(f"{last:.12g}"))  # 0.3, and not 0.30000000000000004
        return FloatDistribution(dimension.low, high, log=dimension.log, step=dimension.step)
    return IntDistribution(dimension.low, _last(dimension), log=dimension.log, step=dimension.step)


def _last(dimension: Int) -> int:
    return dimension.high - (dimension.high - dimension.low) % dimension.step


def labels(dimension: Choice) -> dict[Label, Any]:
    """Optuna's choice → the value. All by their JSON where one is a list, or where two are equal, as 1 and true are."""
    choices = dimension.choices
    single = all(choice is None or isinstance(choice, bool | int | float | str) for choice in choices)
    if single and len(set(choices)) == len(choices):
        return {choice: choice for choice in choices}
    return {json.dumps(choice): choice for choice in choices}


def labelled(space: Space) -> Space:
    """The same space with Optuna's labels for choices."""
    return Space([replace(one, when=_labelled_when(one, space), **_labelled_choices(one)) for one in space])


def _labelled_choices(dimension: Dimension) -> dict[str, Any]:
    return {"choices": tuple(labels(dimension))} if isinstance(dimension, Choice) else {}


def _labelled_when(dimension: Dimension, space: Space) -> dict[str, list[Label]]:
    return {
        name: [_encoded(space.dimensions[name], value) for value in values] for name, values in dimension.when.items()
    }


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """Ask for the value of each dimension that is active beside those before it."""
    values: dict[str, Any] = {}
    for one in space:
        if not is_active(one, values):
            continue
        if isinstance(one, Choice):
            known = labels(one)
            values[one.name] = known[trial.suggest_categorical(one.name, list(known))]
        elif isinstance(one, Float):
            made = distribution(one)
            high = made.high if isinstance(made, FloatDistribution) else one.high
            values[one.name] = trial.suggest_float(one.name, one.low, high, log=one.log, step=one.step)
        else:
            values[one.name] = trial.suggest_int(one.name, one.low, _last(one), log=one.log, step=one.step)
    return values


def encoded(values: Mapping[str, Any], space: Space) -> dict[str, Label]:
    """Values as Optuna keeps them."""
    return {name: _encoded(space.dimensions[name], value) for name, value in values.items()}


def decoded(params: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Values from what Optuna keeps."""
    return {name: _decoded(space.dimensions[name], value) for name, value in params.items() if name in space.dimensions}


def _encoded(dimension: Dimension, value: Any) -> Label:
    if not isinstance(dimension, Choice):
        number: Label = value
        return number
    return next(label for label, choice in labels(dimension).items() if type(choice) is type(value) and choice == value)


def _decoded(dimension: Dimension, value: Any) -> Any:
    return labels(dimension)[value] if isinstance(dimension, Choice) else value
