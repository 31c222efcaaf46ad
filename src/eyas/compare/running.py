"""A study from its first run to its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eyas.compare.folder import FILES, write_results
from eyas.compare.job import Job, find_run, is_done
from eyas.compare.plan import Plan, Training, check_plan, check_unchanged, save_plan
from eyas.compare.results import StudyResult, Trained, compare_study, read_trained
from eyas.compare.schedule import run_jobs
from eyas.compare.telling import close_parent, family_of, open_parent
from eyas.core import io
from eyas.core.errors import ConfigError, ResumeError
from eyas.core.marks import RUNS
from eyas.core.runs import next_folder
from eyas.data import Dataset

DATASET = "dataset.txt"


def begin_study(plan: Plan, dataset: Dataset) -> Path:
    """Make the study's folder, `<runs_dir>/<name>-<n>`, with `study.yaml` in it.

    Raises:
        ConfigError: what `check_plan` refuses, or no validation images to rank by.
    """
    check_plan(plan)
    require_validation(dataset)
    folder = next_folder(Path(plan.base().runs_dir), plan.name)
    save_plan(plan, folder)
    io.write_text(folder / DATASET, dataset.fingerprint + "\n")
    return folder


def check_going_on(folder: Path, plan: Plan, settings: Mapping[str, Any], dataset: Dataset) -> None:
    """Refuse to go on with other settings, or on other data.

    Raises:
        ResumeError: names what differs.
    """
    check_plan(plan)
    check_unchanged(plan, settings, folder)
    file = folder / DATASET
    if file.exists():
        dataset.require(file.read_text().strip(), folder, ResumeError, begun=True)


def train_all(folder: Path, plan: Plan, dataset: Dataset, processes: int | None = None) -> bool:
    """Make all runs that are not done; False where Ctrl-C stopped it.

    Raises:
        EyasError: as the first run that fails otherwise than by diverging.
    """
    open_parent(folder, plan, plan.base(), dataset)
    return run_jobs(jobs_of(folder, plan), processes)


def jobs_of(folder: Path, plan: Plan) -> list[Job]:
    """Every training under the first seed, then under the next: a study that is stopped has whole seeds."""
    trainings = plan.trainings()
    return [
        Job(training.for_seed(seed, folder / RUNS), family_of(training, seed, folder, plan.seeds))
        for seed in plan.seeds
        for training in trainings
    ]


def read_all(folder: Path, plan: Plan, dataset: Dataset) -> list[tuple[Training, Trained]]:
    """The finished runs of each training."""
    return [
        (training, read_trained(training, [training.for_seed(seed, folder / RUNS) for seed in plan.seeds], dataset))
        for training in plan.trainings()
    ]


def finish_comparison(folder: Path, plan: Plan, dataset: Dataset) -> list[StudyResult]:
    """Rank, test, write, and tell the tracker.

    Raises:
        TrainingError: every arm of a study diverged.
    """
    results = read_results(folder, plan, dataset)
    write_results(results, folder)
    close_parent(folder, _metrics(results), FILES)
    return results


def read_results(folder: Path, plan: Plan, dataset: Dataset) -> list[StudyResult]:
    """Rank and test what the finished runs say.

    Raises:
        ConfigError: some runs are not there yet.
        TrainingError: every arm of a study diverged.
    """
    missing = [job for job in jobs_of(folder, plan) if not is_done(find_run(job.config))]
    if missing:
        raise ConfigError(
            f"{folder} must be finished, got {len(missing)} runs to make; go on with it: "
            f"eyas {plan.kind} --resume {folder}"
        )
    by_arm = {own: trained for training, trained in read_all(folder, plan, dataset) for own in training.arms}
    return [
        compare_study(study, plan, {arm.name: by_arm[study.name, arm.name] for arm in study.arms})
        for study in plan.studies
    ]


def _metrics(results: Sequence[StudyResult]) -> dict[str, float]:
    """Of the parent run: names that trackers allow."""
    values = {}
    for result in results:
        for arm in result.arms:
            values[f"val_accuracy/{result.name}/{_plain(arm.name)}"] = arm.val.mean
            if arm.test:
                values[f"final_test_accuracy/{result.name}/{_plain(arm.name)}"] = arm.test.mean
    return values


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-. " else "_" for c in name)


def require_validation(dataset: Dataset) -> None:
    """Refuse a study that could rank only by the test images.

    Raises:
        ConfigError: no validation images.
    """
    if not len(dataset.val):
        raise ConfigError(
            "a study ranks by validation images, and this dataset has none: data.val_fraction must be greater than 0"
        )
