"""Finished runs looked at again: what a diagnosis and a report both need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from torch import nn

from eyas.core.errors import ConfigError
from eyas.core.language import require_language
from eyas.core.runs import RunFolder, open_run
from eyas.data import Dataset, check_dataset, open_dataset
from eyas.data.split import SplitName
from eyas.diagnose import Answers, Diagnosis
from eyas.diagnose.history import read_history
from eyas.diagnose.verdict import diagnose as diagnose_evidence
from eyas.evaluate import Evaluation, evaluate, fit_temperature
from eyas.nn import load_network
from eyas.report import Examples, Layer, RunFacts, run_document, write_html, write_pdf
from eyas.report.environment import environment
from eyas.train import answers_of, read_result
from eyas.train.evidence import gather_evidence, require_finished_epoch

LONG_NUMBER = re.compile(r"\d+\.\d{6,}")  # 1 - 0.99, as torch shows it
MEASURED: tuple[SplitName, ...] = ("val", "test")


def diagnose_runs(paths: Sequence[Path], reference_error: float | None, tolerance: float) -> Diagnosis:
    """Diagnose the first run, with others of other seeds."""
    runs = [open_run(path) for path in paths]
    evidence = gather_evidence(runs, open_dataset(runs[0].config().data), reference_error=reference_error)
    return diagnose_evidence(evidence, tolerance)


def look_at(path: Path, *, record: bool = True) -> RunFacts:
    """Everything that a report says of a run. The test split is measured.

    Args:
        record: the measures go into `metrics.json`; False leaves the run folder as it is.

    Raises:
        ConfigError: no run folder.
        DataError: no finished epoch, no images to measure it on, or other data than it was trained on.
    """
    run = open_run(path)
    require_finished_epoch(run)
    config = run.config()
    history = read_history(run.history)
    dataset = open_dataset(config.data)
    network, about = load_network(run)
    answers = {name: answers_of(run, dataset, name) for name in MEASURED if len(dataset.split(name))}
    last: SplitName = "test" if "test" in answers else "val"
    val = answers.get("val")
    return RunFacts(
        run=run,
        config=config,
        history=history,
        check=check_dataset(config.data),
        image_shape=dataset.policy.shape,
        class_counts={
            split.name: np.bincount(split.labels, minlength=len(dataset.classes)) for split in dataset.splits
        },
        fingerprint=dataset.fingerprint,
        parameters=network.trainable_parameters(),
        layers=list(_layers(network)),
        best_epoch=int(about["epoch"]),
        evaluations=_measure(run, dataset, answers, record=record),
        finished=read_result(run, dataset).finished,
        examples=Examples(dataset.split(last), answers[last]),
        temperature=fit_temperature(np.log(np.maximum(val.probabilities, 1e-37)), val.labels) if val else None,
        diagnosis=diagnose_evidence(gather_evidence([run], dataset)) if val else None,
        environment=environment(),
    )


def write_report(path: Path, target: Path, language: str, *, record: bool) -> None:
    """A run's report in one file; the test split is measured for it.

    Args:
        record: as `look_at`.

    Raises:
        ConfigError: a file that is neither `.html` nor `.pdf`, or a language that nobody has written.
    """
    require_language(language)
    writers = {".html": write_html, ".pdf": write_pdf}
    if target.suffix not in writers:
        raise ConfigError(f"a report must be a file of .html or .pdf, got {target}")
    with TemporaryDirectory(prefix="eyas-") as folder:
        today = datetime.now().astimezone().date()
        writers[target.suffix](run_document(look_at(path, record=record), language, Path(folder), today), target)


def _measure(
    run: RunFolder, dataset: Dataset, answers: dict[SplitName, Answers], *, record: bool
) -> dict[SplitName, Evaluation]:
    found = {name: evaluate(given.probabilities, given.labels, dataset.classes) for name, given in answers.items()}
    for name, evaluation in found.items() if record else ():
        run.add_metrics(name, evaluation.summary())
    return found


def _layers(network: nn.Module) -> Iterator[Layer]:
    """Layers that hold trainable weights themselves, in the network's order."""
    for name, module in network.named_modules():
        own = [weight for weight in module.parameters(recurse=False) if weight.requires_grad]
        if own:
            settings = LONG_NUMBER.sub(lambda found: f"{float(found[0]):g}", module.extra_repr())
            text = f"{type(module).__name__}({settings})"
            yield Layer(name, text, sum(weight.numel() for weight in own))
