"""`eyas evaluate`: a run through PyTorch, a bundle through ONNX Runtime, on one split of a dataset."""

from __future__ import annotations

from pathlib import Path

from eyas.bundle import open_bundle
from eyas.cli.bundle_data import answer_split, data_of
from eyas.core.config import load_config
from eyas.core.runs import open_run
from eyas.data import open_dataset
from eyas.data.split import SplitName
from eyas.evaluate import Evaluation, evaluate
from eyas.train import evaluate_clean, evaluate_run


def measure_run(
    path: Path, overrides: list[str], split: SplitName, *, flip: bool = False, record: bool = True
) -> Evaluation:
    """The run's best network, averaged over mirror images where `flip`; `record` it in the run's `metrics.json`."""
    run = open_run(path)
    dataset = open_dataset(load_config(run.config_file, overrides).data)
    return evaluate_run(run, dataset, split, flip=flip, record=record)


def measure_clean(path: Path, overrides: list[str], *, record: bool = True) -> Evaluation | None:
    """The run's best network on the test images that training does not know, where `data.fixes` tells them apart."""
    run = open_run(path)
    return evaluate_clean(run, open_dataset(load_config(run.config_file, overrides).data), record=record)


def measure_bundle(path: Path, overrides: list[str], split: SplitName) -> Evaluation:
    """The bundle's graph, on the data it was trained with or on others with the same classes.

    Raises:
        DataError: other classes, an empty split, or its own data in another state or split.
    """
    bundle = open_bundle(path)
    found = answer_split(bundle, data_of(bundle, overrides), split)
    return evaluate(found.probabilities, found.split.labels, found.dataset.classes)
