"""The end of a search: the best and the baseline trained anew for several seeds, and compared on the test images once.

It is an ordinary study of two arms in `STUDY/final`. The best was chosen by validation, so its validation accuracy is
optimistic; the test images have chosen nothing, and decide what is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyas.compare.folder import write_results
from eyas.compare.job import Job
from eyas.compare.plan import Arm, Plan, Study, check_plan, load_plan, save_plan, value_of
from eyas.compare.results import ArmResult, StudyResult
from eyas.compare.running import read_results
from eyas.compare.schedule import run_jobs
from eyas.compare.statistics import Estimate, paired
from eyas.core import io
from eyas.core.config import dump_yaml
from eyas.core.marks import BEST, FINAL, RUNS
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.describe import Family
from eyas.tune.plan import TunePlan
from eyas.tune.points import plain
from eyas.tune.records import TrialRecord
from eyas.tune.verdict import Verdict

BASELINE, TUNED = "baseline", "tuned"
WHOLE_SECTIONS = ("model", "augment", "train")


@dataclass(frozen=True)
class Final:
    """What the comparison says."""

    result: StudyResult
    val: Estimate | None
    """Tuned less baseline, on the validation images, by which the tuned one was chosen. None where one diverged."""
    test: Estimate | None
    """On the test images; None without any."""

    @property
    def verdict(self) -> Verdict:
        """Whether tuning beat the baseline."""
        return Verdict(self.val, self.test, len(self.result.seeds), self.result.diverged)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "seeds": list(self.result.seeds),
            "arms": {arm.name: _arm(arm) for arm in self.result.arms},
            "diverged": dict(self.result.diverged),
            "val_difference": self.val.to_json() if self.val else None,
            "test_difference": self.test.to_json() if self.test else None,
            "beats_the_baseline_beyond_noise": self.verdict.beyond_noise,
            "says": sentence(self),
        }


def final_plan(plan: TunePlan, config: Config) -> Plan | None:
    """The study of two arms; None where the best is the baseline itself.

    Args:
        config: of the best.
    """
    base = plan.base()
    if _without_name(base) == _without_name(config):
        return None
    arms = (Arm(BASELINE, _whole(base, base)), Arm(TUNED, _whole(config, base)))
    settings = {key: value for key, value in plan.settings.items() if key not in WHOLE_SECTIONS}
    made = Plan("compare", f"{plan.name}-{FINAL}", settings, (Study(FINAL, arms, "Tuning"),), plan.seeds)
    check_plan(made)
    return made


def write_best(folder: Path, plan: TunePlan, best: TrialRecord) -> Config:
    """`best.yaml`: the configuration of the best trial, for `eyas train --config`."""
    settings = plan.config(best.params, Path(plan.base().runs_dir), "best")
    config = settings.model_copy(update={"name": plan.base().name})
    io.write_text(folder / BEST, dump_yaml(config))
    return config


def train_final(folder: Path, plan: Plan, workers: int) -> bool:
    """Make the runs that are not done; False where Ctrl-C stopped it.

    Raises:
        EyasError: as the first run that fails otherwise than by diverging.
    """
    own = folder / FINAL
    set_aside(own, plan)
    own.mkdir(exist_ok=True)
    save_plan(plan, own)
    return run_jobs(_jobs(folder, plan), workers)


def earlier_comparisons(folder: Path) -> int:
    """Those that were set aside when a longer search found another best: each has looked at the test images."""
    return len(list(folder.glob(f"{FINAL}-*")))


def set_aside(own: Path, plan: Plan) -> None:
    """Keep a comparison of another best under a number of its own: runs are never overwritten.

    Args:
        own: its folder, which need not be there.
        plan: of the comparison that is due.
    """
    if own.exists() and load_plan(own) != plan:
        own.rename(own.with_name(f"{FINAL}-{earlier_comparisons(own.parent) + 1}"))


def read_final(folder: Path, plan: Plan, dataset: Dataset) -> Final:
    """Compare what was trained.

    Raises:
        TrainingError: both diverged.
    """
    (result,) = read_results(folder / FINAL, plan, dataset)
    write_results([result], folder / FINAL)
    arms = {arm.name: arm.trained for arm in result.arms}
    if len(arms) < 2:
        return Final(result, None, None)
    tuned, base = arms[TUNED], arms[BASELINE]
    test = paired(tuned.test, base.test) if tuned.test is not None and base.test is not None else None
    return Final(result, paired(tuned.val, base.val), test)


def sentence(final: Final) -> str:
    """No more than the numbers support."""
    return final.verdict.sentence("en")


def _arm(arm: ArmResult) -> dict[str, Any]:
    def figures(found: Estimate | None) -> dict[str, float] | None:
        return {"mean": found.mean, "low": found.low, "high": found.high} if found else None

    return {
        "runs": [run.path.name for run in arm.trained.runs],
        "val_accuracy": figures(arm.val),
        "test_accuracy": figures(arm.test),
        "seconds": float(sum(curve.sum() for curve in arm.trained.curves("seconds"))),
    }


def _jobs(folder: Path, plan: Plan) -> list[Job]:
    """Under one seed, then under the next. To trackers they are runs of the search's own family."""
    runs = folder / FINAL / RUNS
    return [
        Job(training.for_seed(seed, runs), _family(folder, training.label, seed))
        for seed in plan.seeds
        for training in plan.trainings()
    ]


def _family(folder: Path, label: str, seed: int) -> Family:
    tags = {"eyas.study": folder.name, "eyas.arm": label}
    return Family(f"{FINAL} {label} seed {seed}", "../../..", folder.name, tags)


def _whole(config: Config, base: Config) -> Mapping[str, Any]:
    """All that a trial may differ in: sections whole, and of the data what differs."""
    values = config.model_dump(mode="json")
    found = {section: values[section] for section in WHOLE_SECTIONS}
    for key in values["data"]:
        if plain(value_of(config, f"data.{key}")) != plain(value_of(base, f"data.{key}")):
            found[f"data.{key}"] = values["data"][key]
    return found


def _without_name(config: Config) -> dict[str, Any]:
    values = config.model_dump(mode="json")
    return {key: value for key, value in values.items() if key not in ("name", "runs_dir", "track")}
