"""Views of the images of a split, and what a backbone makes of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.core.schema import AugmentConfig, Config
from eyas.data import Dataset, Split
from eyas.nn import PretrainedNetwork
from eyas.nn.pretrained import Backbone
from eyas.train.augment import Augment
from eyas.train.precision import Precision, autocast
from eyas.train.transfer.store import BLOCK, cached_features, digest_images, store_path


@dataclass(frozen=True)
class Extractor:
    """A backbone that gives features of views; view 0 is the image as it is."""

    network: PretrainedNetwork
    backbone: Backbone
    augment: AugmentConfig
    seed: int
    device: torch.device
    precision: Precision
    images: str
    """Digest of the data's pixels."""

    @classmethod
    def of(
        cls,
        network: PretrainedNetwork,
        backbone: Backbone,
        dataset: Dataset,
        config: Config,
        precision: Precision,
        device: torch.device,
    ) -> Extractor:
        """For the images of a dataset, varied by `config.augment`."""
        digest = digest_images(dataset.train.images)
        return cls(network.eval(), backbone, config.augment, config.train.seed, device, precision, digest)

    def features(self, split: Split, view: int = 0) -> NDArray[np.float16]:
        """(M, D) for the array that the split's rows point into; those rows are filled."""
        vary = self.augment.model_copy(update={"flip": "none"}) if view else AugmentConfig()
        drawn = None if vary == AugmentConfig() else [vary.model_dump(mode="json"), self.seed, view]
        mirrored = self.augment.flip != "none" and view % 2 == 1
        computed = [self.network.computes_at, self.network.config.stages, self.precision, self.device.type]
        folder = store_path({**asdict(self.backbone), "origin": ""}, computed, self.images, drawn, mirrored)
        label = f"features of {split.name}" + (f", view {view + 1}" if view else "")
        shape = (len(split.images), self.network.width)
        augment = Augment(vary, split.images.shape[1:], self.seed, epochs=None)

        @torch.inference_mode()
        def compute(rows: NDArray[np.int64], block: int) -> NDArray[np.float16]:
            images = self._varied(split, rows, block, view, augment) if drawn else _images(split, rows)
            if mirrored:
                images = images.flip(2)
            with autocast(self.device, self.precision):
                found: Tensor = self.network.features(images.to(self.device))
            return found.half().cpu().numpy()

        return cached_features(folder, split.rows, shape, compute, label)

    def _varied(self, split: Split, rows: NDArray[np.int64], block: int, view: int, augment: Augment) -> Tensor:
        """The whole block is drawn, whichever of its images are wanted: an image's view is always the same."""
        whole = np.arange(block * BLOCK, min((block + 1) * BLOCK, len(split.images)))
        labels = torch.zeros(len(whole), dtype=torch.int64)
        varied = augment(_images(split, whole), labels, whole, view, block).images
        return varied[torch.from_numpy(rows - whole[0])]


def _images(split: Split, rows: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.asarray(split.images)[rows])
