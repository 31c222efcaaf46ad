"""A run folder whose network was trained elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import ConfigError
from eyas.core.runs import RunFolder
from eyas.core.schema import Config, Scaling
from eyas.data import Dataset, Split
from eyas.evaluate import Evaluation, evaluate, quick_scores, softmax
from eyas.evaluate.mcnemar import two_sided
from eyas.nn import Network, Normalise, load_weights, run_network, save_weights
from eyas.train.progress.history import EpochRow, write_history
from eyas.train.scaling import FIXED, fit_scaling

IMAGES = 2_000
"""Looked at to tell one scaling from another, and to know the training error."""
GAIN, LEVEL = 0.02, 0.01
"""A scaling is clearly better where it is right this much more often and a fair coin would say so this seldom."""
IMAGENET = Scaling(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@dataclass(frozen=True)
class BetterScaling:
    """A way to scale the pixels that suits an imported network clearly better than the one that was stated."""

    normalize: str
    """The value of `data.normalize`."""
    accuracy: float
    stated: float
    """The accuracy with the stated one."""
    images: int
    split: str


def write_imported(run: RunFolder, config: Config, network: Network, dataset: Dataset) -> dict[str, Evaluation]:
    """Fill a run folder with a network as it came, and measure it on validation and test.

    The history has one row, epoch 0: losses on (a part of) the training and on the validation split.

    Returns:
        By split, what `metrics.json` now has.
    """
    mean, std = fit_scaling(dataset.train, config.data.normalize)
    save_weights(
        run.best,
        network,
        epoch=0,
        classes=list(dataset.classes),
        input_shape=list(dataset.policy.shape),
        mean=mean,
        std=std,
        fingerprint=dataset.fingerprint,
        imported=True,
    )
    found: dict[str, Evaluation] = {}
    for split in (dataset.val, dataset.test):
        if len(split):
            found[split.name] = evaluate(_probabilities(network, split), split.labels, dataset.classes)
            run.add_metrics(split.name, found[split.name].summary())
    write_history(run.history, [_row(network, dataset, found)])
    return found


def is_imported(run: RunFolder) -> bool:
    """Whether the run's network was trained elsewhere; such a run is complete."""
    return run.best.exists() and bool(load_weights(run.best).get("imported"))


def better_scaling(network: Network, config: Config, dataset: Dataset) -> BetterScaling | None:
    """The common scaling by which the network is clearly more often right than by the stated one, if there is one.

    Judged on validation images, on training images where there are no others, by McNemar's exact test.
    """
    split = _some(dataset.val if len(dataset.val) else dataset.train)
    stated, own = network.normalise, _right(network, split)
    best: BetterScaling | None = None
    try:
        for name, (mean, std) in _common(dataset).items():
            network.normalise = Normalise(mean, std).to(stated.scale.device)
            right = _right(network, split)
            gained, lost = int((right & ~own).sum()), int((own & ~right).sum())
            clear = (gained - lost) / len(split) >= GAIN and two_sided(lost, gained) < LEVEL
            if clear and (best is None or right.mean() > best.accuracy):
                best = BetterScaling(name, float(right.mean()), float(own.mean()), len(split), split.name)
    finally:
        network.normalise = stated
    return best


def require_classes(names: list[str], dataset: Dataset, where: str) -> None:
    """Refuse class names that are not the dataset's, in its order.

    Raises:
        ConfigError: names the first that differs.
    """
    if len(names) != len(dataset.classes):
        raise ConfigError(f"{where} must name the {len(dataset.classes)} classes of {dataset.name}, got {len(names)}")
    for index, (name, own) in enumerate(zip(names, dataset.classes, strict=True)):
        if name != own:
            order = "; they are the same names in another order" if set(names) == set(dataset.classes) else ""
            raise ConfigError(f"{where} calls class {index} {name!r}, and {dataset.name} calls it {own!r}{order}")


def _common(dataset: Dataset) -> dict[str, tuple[list[float], list[float]]]:
    channels = dataset.policy.channels
    ways = {name: ([mean] * channels, [std] * channels) for name, (mean, std) in FIXED.items()}
    ways["standard"] = fit_scaling(dataset.train, "standard")
    if channels == 3:
        ways["{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}"] = fit_scaling(dataset.train, IMAGENET)
    return ways


def _some(split: Split) -> Split:
    """At most `IMAGES` images, evenly over the split."""
    rows = np.unique(np.linspace(0, len(split) - 1, IMAGES).astype(np.int64))
    return split if len(split) <= IMAGES else Split(split.name, split.images, split.rows[rows], split.labels[rows])


def _probabilities(network: Network, split: Split) -> NDArray[np.float32]:
    return softmax(run_network(network, split).logits).astype(np.float32)


def _right(network: Network, split: Split) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = run_network(network, split).logits.argmax(axis=1) == split.labels
    return right


def _row(network: Network, dataset: Dataset, found: dict[str, Evaluation]) -> EpochRow:
    train = _some(dataset.train)
    probabilities = _probabilities(network, train)
    truth = np.maximum(probabilities[np.arange(len(train)), train.labels], 1e-37)
    val = found.get("val")
    scores = quick_scores(_probabilities(network, dataset.val), dataset.val.labels) if val else None
    return EpochRow(
        epoch=0,
        loss=float(-np.log(truth).mean()),
        accuracy=float((probabilities.argmax(axis=1) == train.labels).mean()),
        val_loss=val.nll if val else None,
        val_accuracy=scores.accuracy if scores else None,
        val_top5=scores.top5 if scores else None,
        val_balanced_accuracy=scores.balanced_accuracy if scores else None,
        val_macro_f1=scores.macro_f1 if scores else None,
        val_ece=scores.ece if scores else None,
        learning_rate=0.0,
        seconds=0.0,
    )
