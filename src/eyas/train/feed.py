"""One split on the device that trains: whole on a GPU with room for it, else batch by batch from the memory map."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.data import Split

# Of the GPU's free memory: the rest is for the network and its activations.
RESIDENT_SHARE = 0.25


class Feed:
    """Batches of a split by their rows.

    Args:
        split: on a CPU its images stay in the memory map, so that data larger than memory do no harm.
        resident: whether all images are held on the device; None: where it is a GPU with room for them.
    """

    def __init__(self, split: Split, device: torch.device, *, resident: bool | None = None) -> None:
        self.split, self.device = split, device
        self._images = self._labels = None
        if resident if resident is not None else device.type == "cuda" and _fits(split, device):
            self._images = torch.from_numpy(split.take(slice(None))).to(device)
            self._labels = torch.tensor(split.labels, device=device)

    def __len__(self) -> int:
        return len(self.split)

    def take(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """(n, H, W, C) uint8 images and (n,) int64 labels on the device; the host does not wait for it."""
        if self._images is not None and self._labels is not None:
            index = self._upload(torch.from_numpy(rows))
            return self._images.index_select(0, index), self._labels.index_select(0, index)
        images, labels = torch.from_numpy(self.split.take(rows)), torch.from_numpy(self.split.labels[rows])
        return self._upload(images), self._upload(labels)

    def _upload(self, tensor: Tensor) -> Tensor:
        if self.device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)


def _fits(split: Split, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return len(split) * split.images[0].nbytes <= RESIDENT_SHARE * free if len(split) else False
