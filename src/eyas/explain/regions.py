"""An image cut into cells, some of which are hidden: what all methods but CAM ask about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyas.explain.asking import Pixels

CELLS = 7  # along the shorter side, at most


@dataclass(frozen=True)
class Cells:
    """An image in a grid of cells, as square as its sides allow."""

    image: Pixels
    """(H, W, C) uint8."""
    numbers: NDArray[np.int64]
    """(H, W): the cell of each pixel, in [0, M)."""

    @classmethod
    def of(cls, image: Pixels, along: int = CELLS) -> Cells:
        """Cut (H, W, C) into about `along` cells along the shorter side."""
        height, width = image.shape[:2]
        side = max(1.0, min(height, width) / along)
        rows, columns = max(1, round(height / side)), max(1, round(width / side))
        down = np.arange(height) * rows // height
        across = np.arange(width) * columns // width
        return cls(image, down[:, None] * columns + across)

    @property
    def count(self) -> int:
        """M."""
        return int(self.numbers.max()) + 1

    def shown(self, kept: NDArray[np.bool_]) -> Pixels:
        """Images of which only some cells are left, the others filled.

        Args:
            kept: (N, M).

        Returns:
            (N, H, W, C) uint8.
        """
        return hidden(self.image, kept[:, self.numbers])

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """(M,) values of the cells, as a map (H, W)."""
        found: NDArray[np.float32] = values[self.numbers].astype(np.float32)
        return found


def hidden(image: Pixels, kept: NDArray[np.floating] | NDArray[np.bool_]) -> Pixels:
    """Images of which some pixels are hidden behind the image's own mean colour.

    Args:
        image: (H, W, C) uint8.
        kept: (N, H, W) in [0, 1]: how much of each pixel is left.

    Returns:
        (N, H, W, C) uint8.
    """
    fill = image.mean(axis=(0, 1))
    share = kept[..., None].astype(np.float32)
    mixed: Pixels = np.rint(share * image + (1 - share) * fill).astype(np.uint8)
    return mixed
