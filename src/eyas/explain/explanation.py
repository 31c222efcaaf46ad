"""What an explanation holds, and the case that one is made for: one image, one class, one budget."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyas.core.errors import ConfigError, InputError
from eyas.explain.asking import Asker, Pixels
from eyas.explain.methods import Map
from eyas.explain.reliability import Reliability, measure_reliability

QUESTIONS = 1500
"""Images that a method asks about, at most, where nothing else is asked for."""


class Answers(Protocol):
    """What is said of N images and K classes."""

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(N, K), rows sum to 1."""

    @property
    def cam(self) -> NDArray[np.float32] | None:
        """(N, K, h, w) class activation maps, where asked for."""


class Answering(Protocol):
    """What is explained: a bundle's `eyas.infer.Predictor`, or a run's `eyas.attribution.NetworkPredictor`."""

    def run(self, images: Pixels, *, cam: bool = False) -> Answers:
        """(N, H, W, C) uint8 → answers; an InputError where the images do not fit, or there is no `cam`."""


@dataclass(frozen=True)
class Sums:
    """What a map adds up to, and what it is to add up to: the class's logit of the image less that of a baseline."""

    total: float
    """Σ of the map."""
    expected: float
    baseline: str
    """In words."""
    gradients: int
    """That the map is a sum of."""

    @property
    def delta(self) -> float:
        """By how much it misses that: the more gradients, the less."""
        return self.total - self.expected


@dataclass(frozen=True)
class Explanation:
    """Which parts of an image speak for a class."""

    method: str
    index: int
    """Of the class."""
    probability: float
    """Of the class, for the whole image."""
    map: Map
    """(H, W) float32, positive where a part speaks for the class. Of occlusion, RISE and SHAP in units of probability,
    of integrated gradients and gradient SHAP in units of the logit."""
    reliability: Reliability
    asked: int
    """Images that the model was asked about, gradients included."""
    seconds: float
    sums: Sums | None = None
    """Of the methods by gradients whose maps add up to something."""


@dataclass(frozen=True)
class Case:
    """One image and one of its classes, about to be explained."""

    image: Pixels
    index: int
    probability: float
    cam: Map | None
    """(h, w), where asked for."""
    ask: Asker
    began: float
    seed: int

    @property
    def rng(self) -> np.random.Generator:
        """Of what is random in a method."""
        return np.random.default_rng(self.seed)

    def close(self, method: str, heat: Map, sums: Sums | None = None) -> Explanation:
        """Measure the map that a method has found, by what is left of the budget."""
        reliability = measure_reliability(self.image, heat, self.ask, self.seed)
        passed = monotonic() - self.began
        return Explanation(method, self.index, self.probability, heat, reliability, self.ask.asked, passed, sums)


def open_case(
    predictor: Answering,
    image: Pixels,
    index: int | None,
    *,
    seconds: float,
    questions: int = QUESTIONS,
    seed: int = 0,
    cam: bool = False,
) -> Case:
    """Ask about the whole image, which also settles the class where `index` is None.

    Raises:
        ConfigError: there is no budget.
        InputError: the image does not fit, the class lies elsewhere, or there is no `cam`.
    """
    if not seconds > 0 or questions < 1:
        raise ConfigError(f"seconds and questions must be above 0, got {seconds} and {questions}")
    began = monotonic()
    found = predictor.run(image[None], cam=cam)
    answers = found.probabilities[0]
    index = int(answers.argmax() if index is None else index)  # captum refuses NumPy's integers
    if not 0 <= index < len(answers):
        raise InputError(f"the class must be in [0, {len(answers)}), got {index}")
    ask = Asker(lambda images: predictor.run(images).probabilities, index, seconds, questions)
    ask.asked += 1  # the whole image, just now
    small = None if found.cam is None else found.cam[0, index]
    return Case(image, index, float(answers[index]), small, ask, began, seed)


def enlarged(small: Map, image: Pixels) -> Map:
    """(h, w) to the size of the image, bilinearly."""
    height, width = image.shape[:2]
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))
