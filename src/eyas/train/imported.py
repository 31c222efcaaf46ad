"""A run folder whose network was trained elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import ConfigError
from eyas.core.runs import RunFolder
from eyas.core.scalings import TRIED, scaling_of
from eyas.core.schema import Config
from eyas.data import Dataset, Split
from eyas.evaluate import Evaluation, evaluate, quick_scores, softmax
from eyas.evaluate.chance import is_blind
from eyas.evaluate.mcnemar import clearly_better
from eyas.nn import Network, Normalise, load_weights, run_network, save_weights
from eyas.train.progress.history import EpochRow, write_history
from eyas.train.scaling import fit_scaling

IMAGES = 2_000
"""Looked at to tell one scaling from another, and to know the training error."""


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


def against(network: Network, config: Config, dataset: Dataset) -> str | None:
    """What speaks against the way in which its pixels are scaled; None where nothing does.

    That is another usual way by which the network is clearly more often right, or answers that are right by chance.
    Judged on validation images, on training images where there are no others.
    """
    split, stated = _some(dataset.val if len(dataset.val) else dataset.train), network.normalise
    chosen = _chosen(network, split)
    right: dict[str, NDArray[np.bool_]] = {}
    try:
        for name, scaling in _others(config, dataset):
            network.normalise = Normalise(*scaling).to(stated.scale.device)
            right[name] = _chosen(network, split) == split.labels
    finally:
        network.normalise = stated
    own, best = chosen == split.labels, max(right, key=lambda name: float(right[name].mean()))
    kind, way = {"val": "validation"}.get(split.name, "training"), _in_words(config)
    said = f"the model is right on {own.mean():.1%} of {len(split):,} {kind} images with pixels scaled as {way}"
    if clearly_better(own, right[best], len(right)):
        return f"{said}, and clearly on more, {right[best].mean():.1%}, with --scaling {best}"
    if is_blind(split.labels, chosen, len(dataset.classes)):
        return (
            f"{said}, no more than by chance, and no usual scaling does better: they may show other things than it was "
            "taught, or the classes may be in another order"
        )
    return None


def require_classes(names: Sequence[str], dataset: Dataset, where: str) -> None:
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


def _others(config: Config, dataset: Dataset) -> Iterator[tuple[str, tuple[list[float], list[float]]]]:
    """The usual scalings that are not the stated one, by name."""
    stated, channels = fit_scaling(dataset.train, config.data.normalize), dataset.policy.channels
    ways = {name: scaling_of(name, channels) for name in TRIED[channels]}
    mean, std = fit_scaling(dataset.train, "standard")
    for name, (means, deviations) in {**ways, "standard": (tuple(mean), tuple(std))}.items():
        if (list(means), list(deviations)) != stated:
            yield name, (list(means), list(deviations))


def _in_words(config: Config) -> str:
    stated = config.data.normalize
    return stated if isinstance(stated, str) else f"{{mean: {list(stated.mean)}, std: {list(stated.std)}}}"


def _some(split: Split) -> Split:
    """At most `IMAGES` images, evenly over the split."""
    rows = np.unique(np.linspace(0, len(split) - 1, IMAGES).astype(np.int64))
    return split if len(split) <= IMAGES else Split(split.name, split.images, split.rows[rows], split.labels[rows])


def _probabilities(network: Network, split: Split) -> NDArray[np.float32]:
    return softmax(run_network(network, split).logits).astype(np.float32)


def _chosen(network: Network, split: Split) -> NDArray[np.int64]:
    chosen: NDArray[np.int64] = run_network(network, split).logits.argmax(axis=1)
    return chosen


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
