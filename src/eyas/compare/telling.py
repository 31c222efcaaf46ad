"""The study itself in MLflow: the parent of its runs, with the results as its metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from eyas.compare.plan import Plan, Training
from eyas.core import console
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.delivery.process import deliver, warn
from eyas.track.delivery.spool import Spool
from eyas.track.describe import Family, opening

UP = "../.."
"""From a run folder to its study's."""


def open_parent(folder: Path, plan: Plan, config: Config, dataset: Dataset) -> None:
    """Begin the study's spool, where its runs are tracked by what has one. They make the parent run when they need it.

    A study that goes on has one already.
    """
    about = {"seeds": json.dumps(list(plan.seeds)), "studies": ", ".join(s.name for s in plan.studies)}
    open_family(folder, f"eyas {plan.kind}", about, config, dataset)


def open_family(folder: Path, command: str, about: Mapping[str, str], config: Config, dataset: Dataset) -> None:
    """`open_parent` for any command that trains many runs.

    Args:
        folder: of the study.
        command: that began it.
        about: what its runs share, as parameters.
        config: of the run that they vary.
        dataset: theirs.
    """
    carried = [name for name in config.track if name == "mlflow"]  # W&B groups runs and has no parents
    spool = Spool(folder)
    if not carried or spool.start():
        return
    record = opening(folder.name, config, dataset)
    record["params"] = {name: value for name, value in record["params"].items() if name != "seed"} | dict(about)
    record["tags"] |= {"eyas.study": str(folder.absolute()), "mlflow.source.name": command}
    spool.append({**record, "trackers": carried})


def family_of(training: Training, seed: int, folder: Path, seeds: Sequence[int]) -> Family:
    """A run's place: named as the course names it where there is one seed, else with the seed behind it."""
    name = training.tracked if len(seeds) == 1 else f"{training.tracked} seed {seed}"
    tags = {
        "eyas.arm": training.arms[0][1],
        "eyas.arms": ", ".join(f"{study}/{arm}" for study, arm in training.arms),
        "eyas.study": folder.name,
    }
    return Family(name, UP, folder.name, tags)


def close_parent(folder: Path, values: Mapping[str, float], files: Sequence[str]) -> None:
    """The results into the study's spool, and the spool to the tracker. Never raises."""
    try:
        spool = Spool(folder)
        if not spool.trackers():
            return
        ended = any(record["kind"] == "end" for _, record in spool.records())
        if not ended:
            spool.append(
                {"kind": "evaluation", "split": "study", "values": dict(values)},
                *({"kind": "file", "path": name} for name in files if (folder / name).exists()),
                {"kind": "end", "status": "FINISHED"},
            )
        for outcome in deliver(spool):
            warn(outcome, folder)
    except Exception as error:  # noqa: BLE001 - the study is done and printed whatever a tracker does
        console.warn(f"the study is not tracked: {error}")
