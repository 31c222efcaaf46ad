"""From the parameters of a `Classifier` to a configuration.

model ─► a recipe's or a file's values, or `model.name` ─► keywords over them ─► Config

A keyword is a key of the configuration, with `__` where the configuration has a point: `train__label_smoothing=0.1`.
Five that everybody needs have names of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from eyas.core.config import did_you_mean, known_keys, load_config, overlay, recipes, validate
from eyas.core.errors import ConfigError
from eyas.core.schema import Config

Model = str | Mapping[str, Any]
SHORT = {
    "epochs": "train.epochs",
    "batch_size": "train.batch_size",
    "learning_rate": "train.learning_rate",
    "optimizer": "train.optimizer",
    "random_state": "train.seed",
    "runs_dir": "runs_dir",
}
"""Parameters with names of their own; None leaves the key as it is."""
OPEN = ("model.options.", "train.class_weight.")
"""Sections whose keys are the user's."""
WHERE = "Classifier(…)"
MOST_SEED = 2**31 - 1


def require_known(keywords: Mapping[str, object]) -> None:
    """Refuse a keyword that is no key.

    Raises:
        ConfigError: names the nearest known one.
    """
    known = set(known_keys())
    for name in keywords:
        key = name.replace("__", ".")
        if key not in known and not key.startswith(OPEN):
            raise ConfigError(f"unknown parameter {name} in {WHERE}{as_keywords(did_you_mean(key))}")


def settings_of(model: Model, short: Mapping[str, object], keywords: Mapping[str, object]) -> dict[str, Any]:
    """The nested settings, without the defaults.

    Args:
        model: a value of `model`, a recipe that ships, or a YAML file.
        short: of `SHORT`, the random state as a number.
        keywords: known ones.

    Raises:
        ConfigError: an unreadable file, or one key given twice.
    """
    keys = {name.replace("__", "."): _plain(value) for name, value in keywords.items()}
    for name, key in SHORT.items():
        if short[name] is None:
            continue
        if key in keys:
            raise ConfigError(f"{name} and {key.replace('.', '__')} are one key; give one of them")
        keys[key] = _plain(short[name])
    return overlay(_beginning(model), keys)


def config_of(settings: dict[str, Any]) -> Config:
    """The configuration.

    Raises:
        ConfigError: a value that breaks its rule.
    """
    return validate(settings, WHERE)


@contextmanager
def told_as_keywords() -> Iterator[None]:
    """Have a ConfigError name each key as it is given here."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(as_keywords(str(error))) from error


def as_keywords(message: str) -> str:
    """A message with each key as the keyword that it is here: `train.epochs` → `train__epochs`."""
    keys = {key: key.replace(".", "__") for key in known_keys() if "." in key} | {"model.name": "model"}
    return re.sub(r"\b[a-z0-9_]+(?:\.[a-z0-9_]+)+", lambda found: keys.get(found[0], found[0]), message)


def seed_of(random_state: int | np.random.RandomState | None) -> int | None:
    """A number; one that is drawn where scikit-learn gives a generator."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(MOST_SEED))
    return random_state


def _beginning(model: Model) -> dict[str, Any]:
    if isinstance(model, str) and (model in recipes() or Path(model).suffix in (".yaml", ".yml")):
        return load_config(Path(model)).model_dump(mode="json", exclude_unset=True)
    return {"model": dict(model) if isinstance(model, Mapping) else {"name": model}}


def _plain(value: object) -> Any:
    """NumPy's numbers and arrays, which a grid search draws, and paths, as plain values."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value
