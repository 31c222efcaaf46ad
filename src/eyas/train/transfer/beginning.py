"""Where training on a pretrained backbone begins, and what it is fed with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from eyas.core import console
from eyas.core.errors import ResumeError
from eyas.core.runs import RunFolder
from eyas.core.schema import Config, TrainConfig
from eyas.data import Dataset
from eyas.nn.pretrained import (
    BACKBONE_FILE,
    PretrainedNetwork,
    find_backbone,
    load_pretrained,
    read_backbone,
)
from eyas.train.augment import Augment
from eyas.train.feed import Feed
from eyas.train.loss import Loss
from eyas.train.precision import Precision, choose_precision
from eyas.train.transfer.feed import FeatureFeed, ViewOfEpoch
from eyas.train.transfer.probe import Head, fit_head
from eyas.train.transfer.views import Extractor
from eyas.train.workers import is_main

PROBED = 32  # images: those of a backbone are large


@dataclass(frozen=True)
class Beginning:
    """What the loop is given."""

    config: Config
    """With the weight decay that was chosen, where none was named."""
    train: Feed
    val: Feed
    augment: Augment
    precision: Precision
    """Of the steps; features of a frozen backbone are computed at that of the probe."""


def begin_transfer(
    run: RunFolder, config: Config, dataset: Dataset, network: PretrainedNetwork, device: torch.device, *, first: bool
) -> Beginning:
    """Weights and feeds for a network on a backbone.

    A frozen backbone's features of every training and validation image stand in the places of the images. Else the
    dense layer is fitted to such features before anything else learns, unless another run's weights come.

    Args:
        first: False where a checkpoint's weights will come.

    Raises:
        ConfigError, ResumeError: as `take_backbone`.
    """
    images = Feed(dataset.train, device)
    if first or network.config.frozen:
        take_backbone(network, run)
    precision = probe_precision(config.train, network, images)
    extract = Extractor.of(network, read_backbone(run.path / BACKBONE_FILE), dataset, config, precision, device)
    if network.config.frozen:
        return _frozen(extract, config, dataset, first=first)
    if first and not config.train.start_from:
        train, val = _features(extract, dataset, 1)
        head = _fit(extract, config.train, dataset, train, val)
        network.head.load_state_dict({"weight": head.weight, "bias": head.bias})
    augment = Augment(config.augment, dataset.policy.shape, config.train.seed, epochs=config.train.epochs)
    return Beginning(config, images, Feed(dataset.val, device), augment, precision)


def take_backbone(network: PretrainedNetwork, run: RunFolder) -> None:
    """Give the network the weights that the run's description names.

    Raises:
        ConfigError: as `find_backbone` and `load_pretrained`.
        ResumeError: they are no longer the same.
    """
    kept = read_backbone(run.path / BACKBONE_FILE)
    found, file = find_backbone(network.config)
    if found.weights != kept.weights:
        raise ResumeError(
            f"{run.path} began with other weights than {found.origin} has now: their SHA-256 must be "
            f"{kept.weights[:12]}…, got {found.weights[:12]}…"
        )
    load_pretrained(network, kept, file)


def _frozen(extract: Extractor, config: Config, dataset: Dataset, *, first: bool) -> Beginning:
    views = extract.network.config.views
    train, val = _features(extract, dataset, views)
    if first:
        extract.network.standardise.fit(*train.statistics())
    if first and config.train.weight_decay is None:
        head = _fit(extract, config.train, dataset, train, val)
        settings = config.train.model_copy(update={"weight_decay": head.decay})
        config = config.model_copy(update={"train": settings})
    return Beginning(config, train, val, ViewOfEpoch(views, config.train.seed), "fp32")


def _features(extract: Extractor, dataset: Dataset, views: int) -> tuple[FeatureFeed, FeatureFeed]:
    """Of the training images, in as many views, and of the validation images."""
    train = [extract.features(dataset.train, view) for view in range(views)]
    val = [extract.features(dataset.val)]
    return FeatureFeed(dataset.train, train, extract.device), FeatureFeed(dataset.val, val, extract.device)


def _fit(extract: Extractor, config: TrainConfig, dataset: Dataset, train: FeatureFeed, val: FeatureFeed) -> Head:
    extract.network.standardise.fit(*train.statistics())
    loss = Loss.of(config, dataset, train.device)
    head = fit_head(extract.network, train, val, loss, config.batch_size, config.seed)
    if is_main():
        console.err.print(_in_words(head), markup=False)
    return head


def probe_precision(config: TrainConfig, network: PretrainedNetwork, feed: Feed) -> Precision:
    """What `train.precision` names; where it is `auto`, the faster one by a probe on few images."""
    if config.precision != "auto":
        return config.precision
    return choose_precision(network, *feed.take(np.arange(min(PROBED, len(feed)))))


def _in_words(head: Head) -> str:
    tried = ", ".join(f"{decay:g}: {loss:.4f}" for decay, loss in head.val_losses.items())
    return f"weight decay {head.decay:g}" + (f" by validation loss ({tried})" if tried else "")
