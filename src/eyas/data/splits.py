"""Which rows are for training, validation and test: stratified, seeded, exact in number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.core.schema import DataConfig
from eyas.data.sources.contents import PartName
from eyas.data.split import SplitName

Rows = NDArray[np.int64]
# Draws of one seed that must not depend on each other.
STREAM: Mapping[SplitName, int] = {"test": 1, "val": 2}
THINNING = 3


def readable_rows(parts: Mapping[PartName, range], unreadable: Iterable[int]) -> dict[PartName, Rows]:
    """The rows of each declared part without the unreadable ones, ascending."""
    out = np.array(sorted(unreadable), np.int64)
    return {part: np.setdiff1d(np.arange(rows.start, rows.stop, dtype=np.int64), out) for part, rows in parts.items()}


def make_splits(
    parts: Mapping[PartName, Rows], labels: NDArray[np.int64], classes: Sequence[str], config: DataConfig
) -> dict[SplitName, Rows]:
    """Rows of train, val and test.

    Declared parts are kept. A missing test is carved from the training rows by `config.test_fraction`, then a missing
    val by `config.val_fraction`; both by class, as `carve` says.

    Args:
        parts: rows of each declared part, `all` or some of train, val, test.
        labels: (M,) class index of every row.
        classes: names of the classes.
        config: the fractions and the seed.

    Returns:
        Three disjoint arrays, each ascending.

    Raises:
        DataError: no training images, fewer than two classes, or a class too small to stand in every split.
    """
    train = parts.get("all", parts.get("train"))
    if train is None or not len(train):
        raise DataError(
            f"no training images; the source declares only {', '.join(parts) or 'nothing'}; add a train part, or leave "
            "the parts out: then eyas splits"
        )
    _check_classes(parts, train, labels, classes, config)
    made: dict[SplitName, Rows] = {"test": parts.get("test", _none()), "val": parts.get("val", _none())}
    fractions: dict[SplitName, float] = {"test": config.test_fraction, "val": config.val_fraction}
    for name, fraction in fractions.items():
        if name not in parts:
            keep = 2 if name == "test" and "val" not in parts and config.val_fraction else 1
            made[name], train = carve(train, labels, fraction, seed=(config.seed, STREAM[name]), keep=keep)
    return {"train": train, "val": made["val"], "test": made["test"]}


def share_of_train(
    splits: Mapping[SplitName, Rows], labels: NDArray[np.int64], config: DataConfig
) -> dict[SplitName, Rows]:
    """The splits with the share of train that `config.train_fraction` says; fixes come before it."""
    if config.train_fraction == 1:
        return dict(splits)
    return {**splits, "train": thin(splits["train"], labels, config.train_fraction, config.train_fraction_seed)}


def thin(rows: Rows, labels: NDArray[np.int64], fraction: float, seed: int) -> Rows:
    """A share of each class: round(fraction · n_k) rows, at least 1. Of one seed, smaller shares lie within larger.

    Args:
        rows: (N,) rows.
        labels: (M,) class index of every row.
        fraction: in (0, 1].
        seed: decides the order in which a class's rows are taken.

    Returns:
        The rows that stay, ascending.
    """
    rng = np.random.default_rng((seed, THINNING))
    kept = []
    for index in np.unique(labels[rows]):
        order = rng.permutation(rows[labels[rows] == index])
        kept.append(order[: max(1, round(fraction * len(order)))])
    return np.sort(np.concatenate(kept))


def carve(
    rows: Rows, labels: NDArray[np.int64], fraction: float, seed: tuple[int, int], keep: int = 1
) -> tuple[Rows, Rows]:
    """Draw a stratified share of rows.

    The number drawn is round(fraction · N), or the number of classes where that is more; class k gives
    its share by largest remainder, at least 1 and at most n_k − keep.

    Args:
        rows: (N,) rows; each class that occurs has more than `keep`.
        labels: (M,) class index of every row.
        fraction: in [0, 1); 0 draws none.
        seed: decides which rows of a class are drawn.
        keep: how many of each class stay at least.

    Returns:
        The rows drawn and the rest, each ascending.
    """
    if fraction == 0:
        return _none(), np.sort(rows)
    classes, counts = np.unique(labels[rows], return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = [
        rng.permutation(rows[labels[rows] == index])[:share]
        for index, share in zip(classes, _shares(counts, fraction, keep), strict=True)
    ]
    taken = np.sort(np.concatenate(drawn))
    return taken, np.setdiff1d(rows, taken)


def _shares(counts: Rows, fraction: float, keep: int) -> Rows:
    """How many of each class: largest remainder within [1, n_k − keep], Σ = the target as far as the bounds allow."""
    low, high = np.ones_like(counts), counts - keep
    target = int(np.clip(round(fraction * int(counts.sum())), low.sum(), high.sum()))
    ideal = counts * fraction
    shares: Rows = np.clip(np.floor(ideal).astype(np.int64), low, high)
    while (missing := target - int(shares.sum())) != 0:
        step = 1 if missing > 0 else -1
        room = shares < high if step > 0 else shares > low
        order = np.argsort(-(ideal - shares) * step, kind="stable")
        shares[[index for index in order if room[index]][: abs(missing)]] += step
    return shares


def _check_classes(
    parts: Mapping[PartName, Rows],
    train: Rows,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    config: DataConfig,
) -> None:
    if len(classes) < 2:
        raise DataError(
            f"a classifier needs at least 2 classes, got {len(classes)}: {', '.join(classes)}; give "
            "each a folder or label of its own"
        )
    counts = np.bincount(labels[train], minlength=len(classes))
    carved = [
        name
        for name, fraction in (("val", config.val_fraction), ("test", config.test_fraction))
        if name not in parts and fraction > 0
    ]
    small = [index for index in np.argsort(counts, kind="stable") if counts[index] <= len(carved)]
    if small:
        shown = ", ".join(f"{classes[index]} has {counts[index]}" for index in small[:5])
        more = f" (and {len(small) - 5} more)" if len(small) > 5 else ""
        places = " and ".join(["train", *carved])
        raise DataError(
            f"each class needs at least {len(carved) + 1} training images to stand in {places}; {shown}{more}; "
            "add some, or leave the class out"
        )


def _none() -> Rows:
    return np.empty(0, np.int64)
