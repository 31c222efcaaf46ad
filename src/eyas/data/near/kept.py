"""Pairs on disk, beside the images they were found in."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from eyas.arrays import load_arrays
from eyas.core.io import write_with
from eyas.data import cache
from eyas.data.near.pairs import NearPairs
from eyas.data.writing import writing_cache

VERSION = 2
"""Part of the file's name: raised with every change of what is called a pair."""


def pairs_path(entry: Path) -> Path:
    """Where the pairs of an entry of the cache are kept."""
    return cache.root() / f"near-{VERSION}-{entry.name}.npz"


def save_pairs(path: Path, pairs: NearPairs) -> None:
    """Keep the pairs.

    Raises:
        DataError: the cache cannot be written.
    """
    kept = partial(np.savez, first=pairs.first, second=pairs.second, mirrored=pairs.mirrored, score=pairs.score)
    with writing_cache():
        write_with(path, kept)


def read_pairs(path: Path) -> NearPairs | None:
    """The pairs kept there, or None."""
    try:
        kept = load_arrays(path)
        return NearPairs(kept["first"], kept["second"], kept["mirrored"], kept["score"])
    except (ValueError, KeyError):
        return None
