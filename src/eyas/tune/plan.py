"""All that decides a search, and `tune.yaml`, from which a stopped one goes on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyas.compare.plan import validated
from eyas.core import io, plain_yaml
from eyas.core.errors import ConfigError, ResumeError
from eyas.core.marks import RUNS, SEARCH
from eyas.core.monitored import is_rising
from eyas.core.schema import Config
from eyas.tune.points import config_at
from eyas.tune.space import Space
from eyas.tune.writing import parse_space, to_plain

OWN = ("name", "runs_dir", "track", "train.threads", "data.source", "data.cache")
"""Settings that each machine has for itself: where things are, and its cores. Data are known by their fingerprint."""


@dataclass(frozen=True)
class TunePlan:
    """What is searched, how, and for how long."""

    name: str
    settings: Mapping[str, Any]
    """Nested: of the baseline."""
    space: Space
    metric: str
    """A validation value of `train.Monitor`."""
    rungs: tuple[int, ...]
    """Epochs at which trials are compared; the last is `train.epochs`."""
    sampler: str
    seed: int
    trials: int | None
    """Configurations, the baseline among them; not how often they go on."""
    minutes: float | None
    seeds: tuple[int, ...]
    """Of the trainings at the end that compare the best with the baseline."""
    inherit: bool
    """Whether a new trial begins with the weights of a finished one."""
    storage: str | None
    """URL, its password masked; None: `journal.log` in the study's folder."""
    study: str
    """Name in the storage."""
    owner: str
    """Of trials that are trained from this folder."""
    fingerprint: str
    """Of the dataset."""
    together: int = 1
    """Trials that one process trains as one program, where they differ in numbers alone."""

    @property
    def rising(self) -> bool:
        """Whether larger values are better."""
        return is_rising(self.metric)

    def base(self) -> Config:
        """The baseline."""
        return validated(dict(self.settings), f"the settings of {self.name}")

    def config(self, values: Mapping[str, Any], runs: Path, run: str) -> Config:
        """Of a trial's run."""
        return _run_config(config_at(self.settings, self.space, values, f"trial {run}"), runs, run)

    def baseline_config(self, runs: Path, run: str) -> Config:
        """Of the baseline's run."""
        return _run_config(self.base(), runs, run)

    def shared(self) -> dict[str, Any]:
        """What all that search in one storage must agree on."""
        return {
            "settings": _without(OWN, self.settings),
            "space": to_plain(self.space),
            "metric": self.metric,
            "rungs": list(self.rungs),
            "fingerprint": self.fingerprint,
        }


def _without(keys: Collection[str], values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings without these dotted keys."""
    return {
        key: _without(keys, value, f"{above}{key}.") if isinstance(value, Mapping) else value
        for key, value in values.items()
        if f"{above}{key}" not in keys
    }


def _run_config(config: Config, runs: Path, run: str) -> Config:
    return config.model_copy(update={"name": run, "runs_dir": str(runs)})


def save_plan(plan: TunePlan, folder: Path) -> None:
    """`tune.yaml`, to be read by people and by `--resume`."""
    content = {
        "name": plan.name,
        "sampler": plan.sampler,
        "seed": plan.seed,
        "trials": plan.trials,
        "minutes": plan.minutes,
        "metric": plan.metric,
        "rungs": list(plan.rungs),
        "seeds": list(plan.seeds),
        "inherit": plan.inherit,
        "together": plan.together,
        "storage": plan.storage,
        "study": plan.study,
        "owner": plan.owner,
        "fingerprint": plan.fingerprint,
        "settings": dict(plan.settings),
        "space": to_plain(plan.space),
    }
    io.write_text(folder / SEARCH, plain_yaml.dump(content))


def load_plan(folder: Path) -> TunePlan:
    """What `save_plan` wrote.

    Raises:
        ConfigError: there is no such file.
        ResumeError: it is damaged.
    """
    file = folder / SEARCH
    if not file.is_file():
        raise ConfigError(f"{folder} is not a tuning study (no {SEARCH} in it)")
    try:
        found = plain_yaml.read(file.read_text(encoding="utf-8"))
        space = parse_space(found.pop("space"), found["settings"], str(file))
        rungs, seeds = tuple(found.pop("rungs")), tuple(found.pop("seeds"))
        return TunePlan(space=space, rungs=rungs, seeds=seeds, **found)
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise ResumeError(f"{file} is damaged: {error}") from error


def runs_of(folder: Path) -> Path:
    """Where the trials' run folders are."""
    return folder / RUNS
