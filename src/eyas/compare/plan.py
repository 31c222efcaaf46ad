"""What a study trains: arms as settings, the seeds, and `study.yaml`, from which a stopped study goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from eyas.core import io, plain_yaml
from eyas.core.config import overlay, validate
from eyas.core.errors import ConfigError, ResumeError
from eyas.core.marks import COMPARISON
from eyas.core.schema import Config

Kind = Literal["compare", "learning-curve"]
# What the study itself decides, or what would give arms other images to be judged on.
NOT_FOR_ARMS = (
    "name",
    "runs_dir",
    "track",
    "serve",
    "export",
    "data.source",
    "data.fixes",
    "data.force",
    "data.seed",
    "data.val_fraction",
    "data.test_fraction",
    "data.train_fraction_seed",
    "train.seed",
)


@dataclass(frozen=True)
class Arm:
    """One of the settings that are compared."""

    name: str
    settings: Mapping[str, Any]
    """Dotted key → value, on top of the study's own."""


@dataclass(frozen=True)
class Study:
    """Arms that are compared with one another."""

    name: str
    arms: tuple[Arm, ...]
    prefix: str
    """Of the arms' names in trackers: `<prefix>_<arm>`."""


@dataclass(frozen=True)
class Training:
    """Equal arms of one or more studies: trained once for each seed."""

    label: str
    """Unique in the plan, and fit for a folder's name."""
    tracked: str
    """What trackers call it."""
    arms: tuple[tuple[str, str], ...]
    """(study, arm) of all that it serves."""
    config: Config

    def for_seed(self, seed: int, runs_dir: Path) -> Config:
        """The configuration of one run."""
        train = self.config.train.model_copy(update={"seed": seed})
        data = self.config.data
        if data.train_fraction < 1:
            data = data.model_copy(update={"train_fraction_seed": seed})
        name = f"{self.label}-seed{seed}"
        update = {"train": train, "data": data, "name": name, "runs_dir": str(runs_dir)}
        return self.config.model_copy(update=update)


@dataclass(frozen=True)
class Plan:
    """All that decides a study's results."""

    kind: Kind
    name: str
    settings: Mapping[str, Any]
    """Nested: of all arms."""
    studies: tuple[Study, ...]
    seeds: tuple[int, ...]
    target: float | None = None
    """Validation accuracy for the speed of convergence; None: what every run reaches."""

    def trainings(self) -> list[Training]:
        """What is to be trained, each once.

        Raises:
            ConfigError: names the arm and the key.
        """
        found: dict[str, Training] = {}
        for study in self.studies:
            for arm in study.arms:
                config = self.config(arm, study.name)
                key, own = config.model_dump_json(), (study.name, arm.name)
                if same := found.get(key):
                    # The optimisers' names are those that a course looks for in its tracker.
                    tracked = f"{study.prefix}_{arm.name}" if study.name == "optimizers" else same.tracked
                    found[key] = replace(same, arms=(*same.arms, own), tracked=tracked)
                else:
                    label = _unique(arm.name, {one.label for one in found.values()})
                    found[key] = Training(label, f"{study.prefix}_{arm.name}", (own,), config)
        return list(found.values())

    def config(self, arm: Arm, study: str) -> Config:
        """The arm's configuration, without a seed.

        Raises:
            ConfigError: names the arm and the key.
        """
        where = f"arm {arm.name} of {study}"
        for key in arm.settings:
            if any(f"{key}.".startswith(f"{closed}.") for closed in NOT_FOR_ARMS):
                raise ConfigError(f"{where} must not set {key}: it is the same for all arms")
        return validated(overlay(dict(self.settings), arm.settings), where)

    def base(self) -> Config:
        """The settings that all arms share."""
        return validated(dict(self.settings), f"the settings of {self.name}")


def validated(values: dict[str, Any], where: str) -> Config:
    """`core.config.validate`, with `where` in every message."""
    try:
        return validate(values, where)
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if where in text else f"{where}: {text}") from None


def check_plan(plan: Plan) -> None:
    """Refuse what cannot be compared.

    Raises:
        ConfigError: a study with one arm, arms that are equal, no seeds or the same seed twice, or a wrong key.
    """
    for study in plan.studies:
        names = [arm.name for arm in study.arms]
        if len(names) < 2:
            raise ConfigError(
                f"study {study.name} must have at least 2 arms to compare, got {len(names)}: {', '.join(names)}"
            )
        configs = {plan.config(arm, study.name).model_dump_json(): arm.name for arm in study.arms}
        for arm in study.arms:
            if (other := configs[plan.config(arm, study.name).model_dump_json()]) != arm.name:
                raise ConfigError(f"arms {arm.name} and {other} of {study.name} are the same configuration")
    if not plan.seeds or len(set(plan.seeds)) < len(plan.seeds) or min(plan.seeds) < 0:
        raise ConfigError(f"seeds must be different whole numbers of at least 0, got {list(plan.seeds)}")
    if plan.target is not None and not 0 < plan.target <= 1:
        raise ConfigError(f"target must be an accuracy in (0, 1], got {plan.target}")
    if plan.base().train.workers > 1:
        raise ConfigError("train.workers must be 1 in a study: its runs already share the cores")


def save_plan(plan: Plan, folder: Path) -> None:
    """`study.yaml`: all of it, to be read by people and by `--resume`."""
    content = {
        "kind": plan.kind,
        "name": plan.name,
        "seeds": list(plan.seeds),
        "target": plan.target,
        "settings": dict(plan.settings),
        "studies": {
            study.name: {"prefix": study.prefix, "arms": {arm.name: dict(arm.settings) for arm in study.arms}}
            for study in plan.studies
        },
    }
    io.write_text(folder / COMPARISON, plain_yaml.dump(content))


def load_plan(folder: Path) -> Plan:
    """What `save_plan` wrote.

    Raises:
        ConfigError: there is no such file.
        ResumeError: it is damaged.
    """
    file = folder / COMPARISON
    if not file.is_file():
        raise ConfigError(f"{folder} is not a study (no {COMPARISON} in it)")
    try:
        found = plain_yaml.read(file.read_text(encoding="utf-8"))
        studies = tuple(
            Study(name, tuple(Arm(arm, settings) for arm, settings in about["arms"].items()), about["prefix"])
            for name, about in found["studies"].items()
        )
        return Plan(found["kind"], found["name"], found["settings"], studies, tuple(found["seeds"]), found["target"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResumeError(f"{file} is damaged: {error}") from error


def check_unchanged(plan: Plan, settings: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on under other settings: arms would no longer be comparable.

    Args:
        settings: dotted keys that the continuation was given.

    Raises:
        ResumeError: names each key that differs and both values.
    """
    before, now = plan.base(), validated(overlay(dict(plan.settings), settings), "the command line")
    changed = [
        f"{key}: {old!r} → {new!r}" for key in settings if (old := value_of(before, key)) != (new := value_of(now, key))
    ]
    if changed:
        raise ResumeError(
            f"{folder} cannot go on with changed settings ({'; '.join(changed)}): its runs would not be comparable; "
            "start a new study"
        )


def value_of(config: Config, key: str) -> Any:
    """The value of a dotted key."""
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part, None)
    return value.model_dump() if hasattr(value, "model_dump") else value


def _unique(name: str, taken: set[str]) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip("._-")[:60] or "arm"
    number, label = 1, plain
    while label in taken:
        number += 1
        label = f"{plain}_{number}"
    return label


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested or dotted keys, as dotted ones. A value that is a mapping is taken for a section."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flatten(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def seeds_of(count_or_list: int | Sequence[int]) -> tuple[int, ...]:
    """3 means 0, 1, 2; a list means itself."""
    return tuple(range(count_or_list)) if isinstance(count_or_list, int) else tuple(count_or_list)
