"""From the parameters of a `Classifier` to a configuration.

model ─► a recipe's or a file's values, or `model.name` ─► keywords over them ─► Config

A keyword is a key of the configuration, with `__` where the configuration has a point: `train__label_smoothing=0.1`.
Six that everybody needs have names of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eyas.compare.plan import flatten
from eyas.core.config import did_you_mean, known_keys, load_config, overlay, recipes, validate
from eyas.core.errors import ConfigError, DataError
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
OPTIONS = {"seed": "random_state"} | {name: name for name in ("trials", "minutes", "seeds", "workers", "space")}
"""Of `eyas tune`, as arguments."""
WHERE = "Classifier(…)"
MOST_SEED = 2**31 - 1


def require_known(keywords: Mapping[str, object], owner: type) -> None:
    """Refuse a keyword that is no key, or that has the name of one of the owner's methods.

    Raises:
        ConfigError: names the nearest known one.
    """
    known = set(known_keys())
    for name in keywords:
        key = name.replace("__", ".")
        if key not in known and not key.startswith(OPEN):
            raise ConfigError(f"unknown parameter {name} in {WHERE}{as_keywords(did_you_mean(key))}")
        if hasattr(owner, name):
            raise ConfigError(f"{name} is a method of {WHERE}: give its keys one by one, such as {name}__version")


@dataclass(frozen=True)
class Settings:
    """What a classifier's parameters say."""

    nested: dict[str, Any]
    """Without the defaults."""
    given: tuple[str, ...]
    """The dotted keys that parameters name themselves; what a recipe or a file says is only a beginning."""
    seed: int | None
    """The random state."""

    @property
    def split_seed(self) -> int | None:
        """Of the split of arrays; None: the configuration's."""
        return None if "data.seed" in self.given else self.seed


def settings_of(model: Model, short: Mapping[str, object], keywords: Mapping[str, object]) -> Settings:
    """From parameters to keys.

    Args:
        model: a value of `model`, a recipe that ships, or a YAML file.
        short: of `SHORT`.
        keywords: known ones.

    Raises:
        ConfigError: an unreadable file, or one key given twice.
    """
    seed = _seed_of(short["random_state"])
    keys = {name.replace("__", "."): _plain(value) for name, value in keywords.items()}
    for name, key in SHORT.items():
        if short[name] is None:
            continue
        if key in keys:
            raise ConfigError(f"{name} and {key.replace('.', '__')} are one key; give one of them")
        keys[key] = seed if name == "random_state" else _plain(short[name])
    of_model = {"model": model} if isinstance(model, Mapping) else {"model.name": model}
    return Settings(overlay(_beginning(model), keys), tuple(flatten(of_model | keys)), seed)


def config_of(settings: dict[str, Any]) -> Config:
    """The configuration.

    Raises:
        ConfigError: a value that breaks its rule.
    """
    return validate(settings, WHERE)


@contextmanager
def told_as_keywords() -> Iterator[None]:
    """Have an error in the settings or the data name each key and each option as it is given here."""
    try:
        yield
    except (ConfigError, DataError) as error:
        error.args = (as_keywords(str(error)),)
        raise


def as_keywords(message: str) -> str:
    """A message with keys and options as the arguments that they are here.

    `train.epochs` → `train__epochs`, `data.force=true` → `data__force=True`, `--trials` → `trials`.
    """
    keys = {key: key.replace(".", "__") for key in known_keys() if "." in key} | {"model.name": "model"}
    told = re.sub(
        r"\b([a-z0-9_]+(?:\.[a-z0-9_]+)+)(=true\b)?",
        lambda found: keys[found[1]] + "=True" * bool(found[2]) if found[1] in keys else found[0],
        message,
    )
    return re.sub(r"(?<!\S)--([a-z]+)\b(?!-)", lambda found: OPTIONS.get(found[1], found[0]), told)


def _beginning(model: Model) -> dict[str, Any]:
    if isinstance(model, str) and (model in recipes() or Path(model).suffix in (".yaml", ".yml")):
        return load_config(Path(model)).model_dump(mode="json", exclude_unset=True)
    return {"model": dict(model) if isinstance(model, Mapping) else {"name": model}}


def _seed_of(random_state: Any) -> Any:
    """A number; one that is drawn where scikit-learn gives a generator."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(MOST_SEED))
    return _plain(random_state)


def _plain(value: object) -> Any:
    """NumPy's numbers and arrays, which a grid search draws, and paths, as plain values."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value
