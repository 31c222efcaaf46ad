"""From the configuration to arrays and splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eyas.core.schema import DataConfig
from eyas.data.fixes import read_fixes
from eyas.data.importer import load
from eyas.data.sources import open_source
from eyas.data.split import Split, SplitName
from eyas.data.splits import Rows, make_splits, readable_rows, share_of_train
from eyas.data.survey import take_survey
from eyas.image import ImagePolicy


@dataclass(frozen=True, eq=False)
class Opened:
    """Classes, splits and their fingerprint."""

    config: DataConfig
    """That opens these images in these splits again."""
    name: str
    classes: tuple[str, ...]
    policy: ImagePolicy
    """What every image was brought to."""
    train: Split
    val: Split
    test: Split
    fingerprint: str
    """SHA-256 over classes, pixels, labels and splits: the same images give it whatever container they came in."""
    test_copies: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), kw_only=True, compare=False)
    """Positions in `test` of images that `data.fixes` calls (near-)duplicates of training images."""


def open_parts(config: DataConfig) -> Opened:
    """What `open_dataset` opens, and raises."""
    source = open_source(config.source)
    entry = load(source, config)
    classes = tuple(entry.meta["classes"])
    parts = readable_rows(entry.parts, map(int, entry.meta["skipped"]))
    rows = make_splits(parts, entry.labels, classes, config)
    labels, copies = entry.labels, np.empty(0, np.int64)
    if config.fixes:
        fixed = read_fixes(config.fixes).apply(
            take_survey(source, config.max_pixels), {str(name): own for name, own in rows.items()}, config
        )
        labels, copies = fixed.labels, fixed.copies
        rows = {name: fixed.splits[name] for name in rows}
    rows = share_of_train(rows, labels, config)
    _, height, width, channels = entry.images.shape
    policy = ImagePolicy(height, width, 1 if channels == 1 else 3, config.resize)
    splits = {name: _split(name, entry.images, rows[name], labels) for name in rows}
    return Opened(
        config=config,
        name=source.name,
        classes=classes,
        policy=policy,
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        fingerprint=fingerprint(classes, policy, entry.digests, labels, rows),
        test_copies=np.flatnonzero(np.isin(rows["test"], copies)),
    )


def fingerprint(
    classes: tuple[str, ...],
    policy: ImagePolicy,
    digests: NDArray[np.uint8],
    labels: Rows,
    rows: Mapping[SplitName, Rows],
) -> str:
    """SHA-256 over the classes, the shape, and for each split the digest of every image and its label, in order."""
    made = hashlib.sha256(json.dumps([classes, policy.shape], ensure_ascii=False).encode())
    for name, chosen in rows.items():
        made.update(f"{name} {len(chosen)}".encode())
        made.update(np.ascontiguousarray(digests[chosen]).data)
        made.update(labels[chosen].astype("<i8").tobytes())
    return made.hexdigest()


def _split(name: SplitName, images: NDArray[np.uint8], rows: Rows, labels: Rows) -> Split:
    own = labels[rows]
    for array in (rows, own):
        array.setflags(write=False)
    return Split(name, images, rows, own)
