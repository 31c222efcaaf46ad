"""From the words of the command line to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eyas.compare.grid import read_grid
from eyas.compare.plan import Arm, Plan, Study, seeds_of, validated
from eyas.compare.studies import COURSE, FIXED, course_studies
from eyas.core.config import overlay
from eyas.core.errors import ConfigError

SEEDS = 3


def plan_comparison(
    study: str,
    given: Mapping[str, Any],
    own_file: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] | None = None,
    target: float | None = None,
) -> Plan:
    """The plan of `--study`.

    Args:
        study: the name of one of the courses' studies, `all`, or a YAML file.
        given: dotted settings of the command line, for all arms; `data.source` and `name` among them.
        own_file: a configuration file's values, nested; it takes the place of the course's settings.
        seeds: in place of the file's; 3 by default.
        target: validation accuracy for the speed of convergence.

    Raises:
        ConfigError: an unknown study, or a file that is none.
    """
    studies: tuple[Study, ...]
    settings = overlay(dict(COURSE if own_file is None else own_file), FIXED)
    if study.endswith((".yaml", ".yml")):
        written = read_grid(Path(study))
        settings, studies = (
            overlay({} if own_file is None else settings, {**FIXED, **written.settings}),
            (written.study,),
        )
        seeds = written.seeds if seeds is None else seeds
        target = written.target if target is None else target
        name = written.study.name
    else:
        studies, name = course_studies(study), study
    settings = overlay(settings, given)
    return Plan(
        "compare", _named(settings, name), settings, studies, seeds_of(SEEDS if seeds is None else seeds), target
    )


def plan_learning_curve(
    fractions: Sequence[float],
    given: Mapping[str, Any],
    own_file: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] | None = None,
) -> Plan:
    """A training for each share of the data.

    All have about as many steps, so a smaller share has more epochs; the best epoch of each is kept.

    Raises:
        ConfigError: fewer than 3 shares, or one outside (0, 1].
    """
    shares = sorted(set(fractions))
    if len(shares) < 3 or not all(0 < share <= 1 for share in shares):
        raise ConfigError(f"--fractions must be at least 3 different shares in (0, 1], got {list(fractions)}")
    settings = overlay(overlay(dict(own_file or {}), {**FIXED, "train.monitor": "val_loss"}), given)
    config = validated(settings, "the settings of the learning curve")
    if config.data.train_fraction != 1:
        raise ConfigError(
            f"data.train_fraction must be left to --fractions in a learning curve, got {config.data.train_fraction:g}"
        )
    epochs = config.train.epochs
    arms = tuple(
        Arm(f"{share:g}", {"data.train_fraction": share, "train.epochs": max(1, round(epochs / share))})
        for share in shares
    )
    study = Study("learning-curve", arms, "Learning_Curve")
    name = _named(settings, "learning-curve")
    return Plan("learning-curve", name, settings, (study,), seeds_of(SEEDS if seeds is None else seeds))


def _named(settings: dict[str, Any], name: str) -> str:
    """The user's name, else data and study."""
    if settings.get("name"):
        return str(settings["name"])
    source = str((settings.get("data") or {}).get("source") or "data")
    return f"{Path(source.rpartition(':')[2]).stem}-{name}"
