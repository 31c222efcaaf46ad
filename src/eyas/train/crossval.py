"""Probabilities for every image by networks that were not trained on it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import ConfigError
from eyas.core.schema import Config, DistillationConfig
from eyas.data import Dataset, Split
from eyas.evaluate import softmax
from eyas.nn import load_network, run_network
from eyas.train.run import start_run


def cross_validate(
    config: Config, dataset: Dataset, folds: int, done: Callable[[int], None] = lambda fold: None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Train one network a fold on the other folds of train and val; test is left alone.

    Every network trains for all of `train.epochs` and ends with the weights of its lowest training loss: stopping by
    the fold that is to be judged would let its labels, right or wrong, choose the weights.

    Args:
        config: of the network and its training; tracking, early stopping and workers are off.
        dataset: each class has at least `folds` images in train and val together.
        folds: 2 or more.
        done: called after each fold with how many are done.

    Returns:
        (N,) rows of train and val, ascending, and (N, K) float32 probabilities, rows sum to 1.

    Raises:
        ConfigError: fewer than 2 folds, or more than the smallest class has images.
        DivergenceError: the loss of one of them is no longer a finite number.
    """
    rows = np.concatenate([dataset.train.rows, dataset.val.rows])
    labels = np.concatenate([dataset.train.labels, dataset.val.labels])
    order = np.argsort(rows)
    rows, labels = rows[order], labels[order]
    fold = assign_folds(labels, len(dataset.classes), folds, config.data.seed)
    probabilities = np.zeros((len(rows), len(dataset.classes)), np.float32)
    for held in range(folds):
        out = fold == held
        part = _part(dataset, rows, labels, out)
        probabilities[out] = _held_out(config, part)
        done(held + 1)
    return rows, probabilities


def assign_folds(labels: NDArray[np.int64], classes: int, folds: int, seed: int) -> NDArray[np.int64]:
    """(N,) the fold of each image: stratified, seeded, sizes within one image of each other in each class.

    Raises:
        ConfigError: fewer than 2 folds, or more than the smallest class has images.
    """
    smallest = int(np.bincount(labels, minlength=classes).min())
    if not 2 <= folds <= smallest:
        raise ConfigError(
            f"--folds must be from 2 to the images of the smallest class in train and val, {smallest}; got {folds}"
        )
    rng = np.random.default_rng([seed, folds])
    fold = np.empty(len(labels), np.int64)
    for k in range(classes):
        members = rng.permutation(np.flatnonzero(labels == k))
        fold[members] = (np.arange(len(members)) + k) % folds
    return fold


def _part(dataset: Dataset, rows: NDArray[np.int64], labels: NDArray[np.int64], out: NDArray[np.bool_]) -> Dataset:
    """The other folds as train, the held-out one as test, no val."""
    images = dataset.train.images
    return dataset.with_splits(
        train=Split("train", images, rows[~out], labels[~out]),
        val=Split("val", images, rows[:0], labels[:0]),
        test=Split("test", images, rows[out], labels[out]),
    )


def _held_out(config: Config, dataset: Dataset) -> NDArray[np.float32]:
    """(n, K) probabilities of the test split; the run folder is thrown away."""
    train = config.train.model_copy(
        update={
            "monitor": "loss",
            "early_stopping": None,
            "reduce_on_plateau": None,
            "workers": 1,
            "teacher": None,  # it may have learnt the images that are held out
            "distillation": DistillationConfig(),
        }
    )
    with tempfile.TemporaryDirectory(prefix="eyas-fold-") as folder:
        own = config.model_copy(update={"train": train, "track": (), "runs_dir": folder, "name": "fold"})
        result = start_run(own, dataset)
        if not result.finished:  # Ctrl-C: a network that is half trained doubts what it has not learnt
            raise KeyboardInterrupt
        network, _ = load_network(result.run)
        return softmax(run_network(network, dataset.test).logits).astype(np.float32)
