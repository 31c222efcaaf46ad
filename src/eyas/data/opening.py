"""`open_dataset`: from the configuration to arrays and splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from eyas.core.schema import DataConfig
from eyas.data.cache import Entry
from eyas.data.dataset import Dataset, Split, SplitName
from eyas.data.importer import load
from eyas.data.sources import open_source
from eyas.data.splits import Rows, make_splits, readable_rows
from eyas.image import ImagePolicy


def open_dataset(config: DataConfig) -> Dataset:
    """Open the images that `config.source` means, in three splits.

    The first opening decodes everything into the cache; later ones map it, in well under a second.

    Returns:
        Splits over one read-only memory map, (M, H, W, C) uint8.

    Raises:
        ConfigError: no source.
        DataError: images, labels or splits that cannot be used, or a cache that cannot be written.
        UnsafeDataError: a file that attacks its reader.
        MissingExtraError: the source needs a library that is not installed.
    """
    source = open_source(config.source)
    entry = load(source, config)
    classes = tuple(entry.meta["classes"])
    parts = readable_rows(entry.parts, map(int, entry.meta["skipped"]))
    rows = make_splits(parts, entry.labels, classes, config)
    _, height, width, channels = entry.images.shape
    policy = ImagePolicy(height, width, 1 if channels == 1 else 3, config.resize)
    splits = {name: _split(name, entry, rows[name]) for name in rows}
    return Dataset(
        name=source.name,
        classes=classes,
        policy=policy,
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        fingerprint=fingerprint(classes, policy, entry, rows),
    )


def fingerprint(classes: tuple[str, ...], policy: ImagePolicy, entry: Entry, rows: Mapping[SplitName, Rows]) -> str:
    """SHA-256 over the classes, the shape, and for each split the digest of every image and its label, in order."""
    made = hashlib.sha256(json.dumps([classes, policy.shape], ensure_ascii=False).encode())
    for name, chosen in rows.items():
        made.update(f"{name} {len(chosen)}".encode())
        made.update(np.ascontiguousarray(entry.digests[chosen]).data)
        made.update(entry.labels[chosen].astype("<i8").tobytes())
    return made.hexdigest()


def _split(name: SplitName, entry: Entry, rows: Rows) -> Split:
    labels = entry.labels[rows]
    for array in (rows, labels):
        array.setflags(write=False)
    return Split(name, entry.images, rows, labels)
