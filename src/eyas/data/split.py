"""Some rows of an array of images, with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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
