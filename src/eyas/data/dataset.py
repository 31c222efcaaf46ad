"""What the rest of eyas sees of any source: classes and three splits of `uint8` images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.image import ImagePolicy

SplitName = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Split:
    """Some rows of an array of images, usually a read-only memory map that several splits share."""

    name: SplitName
    images: NDArray[np.uint8]
    """(M, H, W, C) uint8; use `take` for this split's own."""
    rows: NDArray[np.int64]
    """(N,) rows of `images`, ascending."""
    labels: NDArray[np.int64]
    """(N,) class indices, in the order of `rows`."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """The images at these positions of the split: (n, H, W, C) uint8, a copy."""
        return np.asarray(self.images)[self.rows[index]]  # a plain view: indexing a memory map makes it a map again


@dataclass(frozen=True)
class Dataset:
    """Classes, splits and their fingerprint."""

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

    @property
    def clean_test(self) -> Split | None:
        """The test split without `test_copies`; None where there are none, or nothing else."""
        kept = np.setdiff1d(np.arange(len(self.test)), self.test_copies)
        if not 0 < len(kept) < len(self.test):
            return None
        return Split("test", self.test.images, self.test.rows[kept], self.test.labels[kept])

    def require(self, fingerprint: str, owner: Path) -> None:
        """Refuse to be taken for the data that `owner` was trained on.

        Raises:
            DataError: this dataset's fingerprint is another.
        """
        if fingerprint != self.fingerprint:
            raise DataError(
                f"{owner} was trained on other data than {self.name} is now: the fingerprint must be "
                f"{fingerprint[:12]}…, got {self.fingerprint[:12]}…; bring the data back as they were, or train "
                "a new run"
            )

    def require_images(self, name: SplitName) -> Split:
        """A split that is not empty.

        Raises:
            DataError: it is.
        """
        if not len(found := self.split(name)):
            carved = "" if name == "train" else f", or train on data that are split with data.{name}_fraction=0.1"
            raise DataError(f"the {name} split of {self.name} is empty; choose another split{carved}")
        return found

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """train, val, test."""
        return self.train, self.val, self.test

    def split(self, name: SplitName) -> Split:
        """One split by its name."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]
