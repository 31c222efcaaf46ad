"""A run's network that answers as its bundle would, before there is one, and gives its gradients too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.bundle.folder import temperature_in
from eyas.core.errors import InputError
from eyas.core.runs import RunFolder
from eyas.data import open_dataset
from eyas.evaluate import softmax
from eyas.explain.asking import Pixels
from eyas.image import ImagePolicy
from eyas.infer import require_images
from eyas.nn import Network, load_network

BACKGROUND = 100
"""Training images that gradient SHAP compares with."""
AT_ONCE = 64 * 64 * 64  # pixels in a batch: larger images come in smaller ones, so that memory stays bounded


@dataclass(frozen=True)
class Answers:
    """What a network says of N images and K classes."""

    probabilities: NDArray[np.float32]
    """(N, K), rows sum to 1."""
    cam: NDArray[np.float32] | None = None
    """(N, K, h, w) class activation maps, where asked for."""


@dataclass(frozen=True)
class NetworkPredictor:
    """A network in evaluation mode, and what is needed to ask it about images."""

    network: Network
    classes: tuple[str, ...]
    policy: ImagePolicy
    temperature: float = 1.0
    """probabilities = softmax(logits / temperature)."""
    background: Callable[[], Pixels] | None = None
    """Gives (M, H, W, C) uint8 training images, for gradient SHAP."""

    @classmethod
    def of(cls, run: RunFolder) -> NetworkPredictor:
        """The best network of a run.

        Its temperature is that of the run's bundle, 1 where there is none yet. The background are training images
        of the run's data, which is opened when they are asked for.

        Raises:
            TrainingError: the run has no weights, or damaged ones.
            IntegrityError: the manifest of its bundle has changed, or has another schema version.
        """
        network, about = load_network(run)
        height, width, channels = about["input_shape"]
        policy = ImagePolicy(height, width, 1 if channels == 1 else 3, run.config().data.resize)
        temperature = temperature_in(run.bundle) or 1.0
        background = cache(partial(training_images, run, about["fingerprint"]))
        return cls(network, tuple(about["classes"]), policy, temperature, background)

    def run(self, images: Pixels, *, cam: bool = False) -> Answers:
        """(N, H, W, C) uint8 → answers.

        Raises:
            InputError: the images do not fit, or `cam` where the network has no such maps.
        """
        require_images(images, self.policy.shape)
        with torch.inference_mode():
            logits, _, maps = self.network.outputs(self._tensor(images))
        if cam and maps is None:
            raise InputError("the network gives no class activation maps: no dense head sees the average of its maps")
        probabilities = softmax(_array(logits), self.temperature).astype(np.float32)
        return Answers(probabilities, _array(maps) if cam and maps is not None else None)

    def pixels(self, images: Pixels) -> Tensor:
        """(N, H, W, C) uint8 → the same numbers as float32 on the network's device: what gradients are taken by."""
        return self._tensor(images).float()

    def logits(self, pixels: Tensor) -> Tensor:
        """(N, H, W, C) float32 in [0, 255] → (N, K); the network scales by itself, so gradients are per pixel value."""
        return self.network(pixels)  # type: ignore[no-any-return]

    def compared_with(self) -> Pixels:
        """The background.

        Raises:
            InputError: there is none.
        """
        if self.background is None:
            raise InputError("gradient-shap compares with training images; give the predictor a background")
        return self.background()

    @cached_property
    def background_logits(self) -> NDArray[np.float64]:
        """(K,): the mean over the background, which is asked once for all that is explained.

        Raises:
            InputError: there is no background.
        """
        pixels = self.pixels(self.compared_with())
        with torch.inference_mode():
            parts = [self.logits(part) for part in pixels.split(images_at_once(*pixels.shape[1:3]))]  # type: ignore[no-untyped-call]
        mean: NDArray[np.float64] = torch.cat(parts).double().mean(0).cpu().numpy()
        return mean

    def _tensor(self, images: Pixels) -> Tensor:
        return torch.tensor(images, device=next(self.network.buffers()).device)  # a copy: images may be read-only


def images_at_once(height: int, width: int) -> int:
    """How many images of such a size go into a batch."""
    return max(1, AT_ONCE // (height * width))


def training_images(run: RunFolder, fingerprint: str, count: int = BACKGROUND) -> Pixels:
    """Up to `count` of the run's training images, evenly over the split: (M, H, W, C) uint8.

    Raises:
        DataError: the data cannot be opened, or is not the run's any more.
    """
    dataset = open_dataset(run.config().data)
    dataset.require(fingerprint, run.path)
    return dataset.train.take(np.unique(np.linspace(0, len(dataset.train) - 1, count).astype(np.int64)))


def _array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array
