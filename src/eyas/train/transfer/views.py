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
from eyas.train.transfer.store import BLOCK, Compute, cached_features, digest_images, store_path


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
        drawn = [self.augment.model_dump(mode="json"), self.seed, view] if view else None
        computed = [self.network.computes_at, self.precision, self.device.type]
        folder = store_path({**asdict(self.backbone), "origin": ""}, computed, self.images, drawn)
        label = f"features of {split.name}" + (f", view {view + 1}" if view else "")
        shape = (len(split.images), self.network.head.in_features)
        return cached_features(folder, split.rows, shape, self._computing(split, view), label)

    def _computing(self, split: Split, view: int) -> Compute:
        vary = Augment(self.augment.model_copy(update={"flip": "none"}), split.images.shape[1:], self.seed)
        mirrored = self.augment.flip != "none" and view % 2 == 1

        @torch.inference_mode()
        def compute(rows: NDArray[np.int64], block: int) -> NDArray[np.float16]:
            whole = np.arange(block * BLOCK, min((block + 1) * BLOCK, len(split.images)))
            images = torch.from_numpy(np.asarray(split.images)[whole if view else rows])
            if view:
                images = vary(images, torch.zeros(len(whole), dtype=torch.int64), whole, view, block).images
                images = images[torch.from_numpy(rows - whole[0])]
            if mirrored:
                images = images.flip(2)
            with autocast(self.device, self.precision):
                found: Tensor = self.network.features(images.to(self.device))
            return found.half().cpu().numpy()

        return compute
