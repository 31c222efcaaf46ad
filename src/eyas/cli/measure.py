"""`eyas evaluate`: a run through PyTorch, a bundle through ONNX Runtime, on one split of a dataset."""

from __future__ import annotations

from pathlib import Path

from eyas.bundle import open_bundle
from eyas.core.config import load_config, load_values
from eyas.core.errors import DataError
from eyas.core.runs import open_run
from eyas.data import open_dataset
from eyas.data.dataset import SplitName
from eyas.evaluate import Evaluation, evaluate
from eyas.infer import Predictor
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
    config = load_values(bundle.manifest.training, overrides, str(path))
    policy = bundle.policy
    shaped = {"image_size": (policy.height, policy.width), "channels": policy.channels, "resize": policy.resize}
    dataset = open_dataset(config.data.model_copy(update=shaped))
    if config.data.source == bundle.manifest.training["data"]["source"]:
        # Its own data, split anew or changed since, would be measured on images that it was trained on.
        dataset.require(bundle.manifest.dataset.fingerprint, path)
    if dataset.classes != bundle.classes:
        raise DataError(
            f"the classes of {dataset.name} must be those of the bundle, in their order: {', '.join(bundle.classes)}; "
            f"got {', '.join(dataset.classes)}"
        )
    chosen = dataset.split(split)
    if not len(chosen):
        raise DataError(f"the {split} split of {dataset.name} is empty")
    answers = Predictor(bundle).run(chosen.take(slice(None)))
    return evaluate(answers.probabilities, chosen.labels, dataset.classes)
