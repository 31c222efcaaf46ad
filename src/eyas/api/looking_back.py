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
from eyas.core.runs import open_run
from eyas.data import check_dataset, open_dataset
from eyas.data.split import SplitName
from eyas.diagnose import Diagnosis
from eyas.diagnose.history import read_history
from eyas.diagnose.verdict import diagnose as diagnose_evidence
from eyas.evaluate import fit_temperature
from eyas.report import Examples, Layer, RunFacts, run_document, write_html, write_pdf
from eyas.report.environment import environment
from eyas.train.evaluation import answer, measure, open_network
from eyas.train.evidence import evidence_of, gather_evidence, require_finished_epoch, seed_answers
from eyas.train.run import is_finished

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
    dataset = open_dataset(config.data)
    network, about = open_network(run, dataset)
    answers = {name: answer(network, dataset.split(name)) for name in MEASURED if len(dataset.split(name))}
    last: SplitName = "test" if "test" in answers else "val"
    shown = dataset.require_images(last)
    val = answers.get("val")
    history, check, finished = read_history(run.history), check_dataset(config.data), is_finished(run, dataset)
    evidence = val and evidence_of(
        run, dataset, [seed_answers(network, dataset, val)], history=history, check=check, finished=finished
    )
    return RunFacts(
        run=run,
        config=config,
        history=history,
        check=check,
        image_shape=dataset.policy.shape,
        class_counts={
            split.name: np.bincount(split.labels, minlength=len(dataset.classes)) for split in dataset.splits
        },
        fingerprint=dataset.fingerprint,
        parameters=network.trainable_parameters(),
        layers=list(_layers(network)),
        best_epoch=int(about["epoch"]),
        evaluations=measure(run, dataset, answers, record=record),
        finished=finished,
        examples=Examples(shown, answers[last]),
        temperature=fit_temperature(np.log(np.maximum(val.probabilities, 1e-37)), val.labels) if val else None,
        diagnosis=diagnose_evidence(evidence) if evidence else None,
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


def _layers(network: nn.Module) -> Iterator[Layer]:
    """Layers that hold trainable weights themselves, in the network's order."""
    for name, module in network.named_modules():
        own = [weight for weight in module.parameters(recurse=False) if weight.requires_grad]
        if own:
            settings = LONG_NUMBER.sub(lambda found: f"{float(found[0]):g}", module.extra_repr())
            text = f"{type(module).__name__}({settings})"
            yield Layer(name, text, sum(weight.numel() for weight in own))
