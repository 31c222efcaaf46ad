"""A bundle's graph in memory: `uint8` images in, logits, probabilities and features out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Bundle, needs_review
from eyas.core.errors import InputError, IntegrityError
from eyas.infer.session import CAM, OUTPUTS, Session


class Scored(Protocol):
    """What is said of N images by more than the graph; `eyas.monitor.streaming.ImageScores` is such."""

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """(N,) bool: like no held-out image."""

    def __getitem__(self, rows: slice, /) -> Scored:
        """Of some of the images."""


Scorer = Callable[[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]], Scored | None]
"""Of probabilities, logits and features; None where they cannot be scored. It does not raise."""


@dataclass(frozen=True)
class Prediction:
    """The graph's answers for N images and K classes."""

    logits: NDArray[np.float32]
    """(N, K) float32."""
    probabilities: NDArray[np.float32]
    """(N, K) float32, rows sum to 1."""
    features: NDArray[np.float32]
    """(N, F) float32: what the last layer sees."""
    threshold: float
    """Of the conformal set: class k belongs to it where p_k ≥ threshold."""
    cam: NDArray[np.float32] | None = None
    """(N, K, h, w) float32 class activation maps, where asked for."""
    scores: Scored | None = None
    """Where the predictor has a scorer, and it could score them."""

    def __getitem__(self, rows: slice) -> Prediction:
        """The answers for some of the images."""
        maps = None if self.cam is None else self.cam[rows]
        scores = None if self.scores is None else self.scores[rows]
        parts = self.logits[rows], self.probabilities[rows], self.features[rows]
        return Prediction(*parts, self.threshold, maps, scores)

    @property
    def classes(self) -> NDArray[np.intp]:
        """(N,) index of the most probable class; the lowest index where two are equal."""
        classes: NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return classes

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(N,) float32: the probability of that class."""
        highest: NDArray[np.float32] = self.probabilities.max(axis=1)
        return highest

    @property
    def needs_review(self) -> NDArray[np.bool_]:
        """(N,) bool: the conformal set {k : p_k ≥ threshold} does not hold exactly one class."""
        return needs_review(self.probabilities, self.threshold)

    @property
    def unknown(self) -> NDArray[np.bool_] | None:
        """(N,) bool: like no held-out image; None where that cannot be told."""
        return None if self.scores is None else self.scores.unknown


class Predictor:
    """One ONNX Runtime session over a bundle. `run` may be called from several threads at once."""

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        scorer: Scorer | None = None,
        optimised: Path | None = None,
    ) -> None:
        """Load the graph.

        Args:
            bundle: an opened bundle.
            threads: threads inside an operator; where None, the cores that this process may use.
            scorer: says what else there is to say of each prediction.
            optimised: what `write_optimised` made of the bundle's graph.

        Raises:
            BundleError: ONNX Runtime cannot load the graph, or it is not a bundle's graph.
        """
        self.bundle = bundle
        self._session = Session(bundle.model, threads, optimised)
        self._scorer = scorer

    def run(self, images: NDArray[np.uint8], *, cam: bool = False) -> Prediction:
        """Predict.

        Args:
            images: (N, H, W, C) uint8, at the bundle's size; N may be 0.
            cam: give class activation maps too.

        Returns:
            The answers, in the order of `images`.

        Raises:
            InputError: another type, rank or shape; or `cam` where the graph has none.
            BundleError: the graph fails on a valid input.
        """
        self._check(images, cam)
        names = [*OUTPUTS, CAM] if cam else list(OUTPUTS)
        found = self._session.run(images, names)
        scores = self._scorer and self._scorer(found["probabilities"], found["logits"], found["features"])
        return Prediction(threshold=self.bundle.manifest.conformal.threshold, scores=scores, **found)

    def verify_golden(self) -> float:
        """Predict the bundle's golden inputs.

        Returns:
            The largest absolute difference in any probability.

        Raises:
            IntegrityError: it is above the manifest's `tolerance`, or the golden answers do not fit the graph.
        """
        golden = self.bundle.golden()
        if not len(golden.images):
            raise IntegrityError(f"{self.bundle.path} holds no golden inputs: nothing shows that the graph is right")
        try:
            answers = self.run(golden.images).probabilities
        except InputError as error:
            raise IntegrityError(f"the golden inputs of {self.bundle.path} do not fit its graph: {error}") from error
        expected = golden.probabilities
        if answers.shape != expected.shape:
            raise IntegrityError(
                f"the golden answers of {self.bundle.path} must be {answers.shape}, are {expected.shape}"
            )
        difference = float(np.abs(answers - expected).max())
        tolerance = self.bundle.manifest.tolerance
        if not difference <= tolerance:  # so that NaN fails too
            raise IntegrityError(
                f"{self.bundle.path} does not reproduce its golden answers on this machine: "
                f"probabilities may differ by {tolerance:g}, and differ by {difference:.3g}"
            )
        return difference

    def _check(self, images: NDArray[Any], cam: bool) -> None:
        require_images(images, self.bundle.policy.shape)
        if cam and not self._session.has_cam:
            raise InputError(f"the graph of {self.bundle.path} gives no class activation maps")


def require_images(images: NDArray[Any], shape: tuple[int, int, int]) -> None:
    """Refuse what is not (N, H, W, C) uint8.

    Args:
        shape: (H, W, C).

    Raises:
        InputError: another type, rank or shape.
    """
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        found = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise InputError(f"images must be a uint8 array, got {found}")
    if images.ndim != 4 or images.shape[1:] != shape:
        raise InputError(f"images must have the shape (N, {', '.join(map(str, shape))}), got {images.shape}")
