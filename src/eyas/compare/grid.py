"""A study of the user's own, from YAML: arms by name, or a grid of lists that is multiplied out.

    name: widths            # optional
    seeds: 3                # or [0, 1, 2]; optional
    target: 0.95            # optional: validation accuracy for the speed of convergence
    settings: {train.epochs: 5}
    arms:
      narrow: {model.hidden: [64]}
      wide: {model.hidden: [512]}

Or, in place of `arms`:

    grid: {model.dropout: [0.0, 0.2], train.optimizer: [adam, sgd]}
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from eyas.compare.plan import Arm, Study, flatten
from eyas.core import plain_yaml
from eyas.core.errors import ConfigError

KEYS = ("name", "seeds", "target", "settings", "arms", "grid")
MOST_ARMS = 200
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # it becomes a folder's


@dataclass(frozen=True)
class Written:
    """What a user's file says."""

    study: Study
    settings: dict[str, Any]
    """Dotted."""
    seeds: int | list[int] | None
    target: float | None


def read_grid(file: Path) -> Written:
    """Read the file.

    Raises:
        ConfigError: unreadable, an unknown key, neither or both of `arms` and `grid`, or values of the wrong form.
    """
    found = _section(plain_yaml.read_file(file, "the study", ConfigError), "a study", file)
    for key in found:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, n=1, cutoff=0.6)
            hint = f": did you mean {near[0]}?" if near else f"; known there: {', '.join(KEYS)}"
            raise ConfigError(f"unknown key {key} in {file}{hint}")
    if ("arms" in found) == ("grid" in found):
        got = "both" if "arms" in found else "neither"
        raise ConfigError(f"{file} must have either arms or grid, got {got}")
    name = str(found.get("name") or file.stem)
    if not NAME.fullmatch(name):
        raise ConfigError(f"the name of the study in {file} must be letters, digits, `.`, `_` and `-`, got {name!r}")
    arms = _arms(found["arms"], file) if "arms" in found else _grid(found["grid"], file)
    settings = _section(found.get("settings") or {}, "settings", file)
    return Written(Study(name, arms, name), flatten(settings), _seeds(found, file), _target(found, file))


def _section(value: Any, what: str, file: Path) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{what} in {file} must be key: value pairs, got {value!r}")
    return value


def _arms(found: Any, file: Path) -> tuple[Arm, ...]:
    arms = _section(found, "arms", file)
    return tuple(
        Arm(str(name), flatten(_section(settings or {}, f"arm {name}", file))) for name, settings in arms.items()
    )


def _grid(found: Any, file: Path) -> tuple[Arm, ...]:
    axes = flatten(_section(found, "grid", file))
    for key, values in axes.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"grid key {key} in {file} must be a list of values, got {values!r}")
    if (count := prod(map(len, axes.values()))) > MOST_ARMS:
        raise ConfigError(f"the grid in {file} must have at most {MOST_ARMS} arms, got {count:,}")
    short = _short_names(list(axes))
    return tuple(
        Arm(
            " ".join(f"{short[key]}={_shown(value)}" for key, value in zip(axes, values, strict=True)),
            dict(zip(axes, values, strict=True)),
        )
        for values in product(*axes.values())
    )


def _short_names(keys: list[str]) -> dict[str, str]:
    """The last part of a key, where no other key ends so."""
    ends = [key.rpartition(".")[2] for key in keys]
    return {key: end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)}


def _shown(value: Any) -> str:
    """As it would stand on the command line."""
    return plain_yaml.one_line(value).replace(" ", "")


def _seeds(found: Mapping[str, Any], file: Path) -> int | list[int] | None:
    seeds = found.get("seeds")
    whole = [seeds] if isinstance(seeds, int) else seeds
    if seeds is None:
        return None
    if not isinstance(whole, list) or not all(isinstance(s, int) and not isinstance(s, bool) for s in whole):
        raise ConfigError(f"seeds in {file} must be a number of seeds or a list of whole numbers, got {seeds!r}")
    return seeds if isinstance(seeds, int) else whole


def _target(found: Mapping[str, Any], file: Path) -> float | None:
    target = found.get("target")
    if target is None:
        return None
    if isinstance(target, bool) or not isinstance(target, int | float):
        raise ConfigError(f"target in {file} must be an accuracy in (0, 1], got {target!r}")
    return float(target)
