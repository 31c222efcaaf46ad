"""One image, one method, one class: a map, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import numpy as np
from PIL import Image

from eyas.core.errors import ConfigError, InputError
from eyas.explain import methods
from eyas.explain.asking import Asker, Pixels
from eyas.explain.methods import Map
from eyas.explain.reliability import Reliability, measure_reliability
from eyas.infer import Prediction

CAM = "cam"
ASKING: dict[str, Callable[[Pixels, Asker, np.random.Generator], Map]] = {
    "occlusion": methods.occlusion,
    "rise": methods.rise,
    "lime": methods.lime,
    "shap": methods.shap,
}
METHODS = (CAM, *ASKING)
QUESTIONS = 1500
"""Images that a method asks about, at most, where nothing else is asked for."""


class Answering(Protocol):
    """What answers: a bundle's `Predictor`, or a run's network."""

    def run(self, images: Pixels, *, cam: bool = False) -> Prediction:
        """Answer (N, H, W, C) uint8."""


@dataclass(frozen=True)
class Explanation:
    """Which parts of an image speak for a class."""

    method: str
    index: int
    """Of the class."""
    probability: float
    """Of the class, for the whole image."""
    map: Map
    """(H, W) float32, positive where a part speaks for the class; in units of probability but for LIME and CAM."""
    reliability: Reliability
    asked: int
    """Images that the model was asked about."""
    seconds: float


def explain(
    predictor: Answering,
    image: Pixels,
    method: str = "occlusion",
    index: int | None = None,
    *,
    seconds: float = 5.0,
    questions: int = QUESTIONS,
    seed: int = 0,
) -> Explanation:
    """Explain one answer.

    Args:
        predictor: of the model.
        image: (H, W, C) uint8, as the model takes it.
        method: of `METHODS`. `cam` is the graph's own: the parts of the logit, of a network that averages its last
            maps (Zhou et al. 2016, *Learning Deep Features for Discriminative Localization*); the others hide parts.
        index: of the class; the most probable one where None.
        seconds: half of them for the map, half for its measure, roughly.
        questions: images that the method asks about, roughly at most. Where they are what ends it, the same seed
            gives the same map.
        seed: of what is random.

    Raises:
        ConfigError: there is no such method, or no budget.
        InputError: the image does not fit, the class lies elsewhere, or the graph has no `cam`.
        OutOfTimeError: the model is too slow for the method: twice the time is over.
    """
    if method not in METHODS:
        raise ConfigError(f"the method must be one of {', '.join(METHODS)}, got {method}")
    if not seconds > 0 or questions < 1:
        raise ConfigError(f"seconds and questions must be above 0, got {seconds} and {questions}")
    began = monotonic()
    found = predictor.run(image[None], cam=method == CAM)
    answers = found.probabilities[0]
    index = int(answers.argmax()) if index is None else index
    if not 0 <= index < len(answers):
        raise InputError(f"the class must be in [0, {len(answers)}), got {index}")
    ask = Asker(lambda images: predictor.run(images).probabilities, index, seconds, questions)
    if found.cam is not None:
        heat = _enlarged(found.cam[0, index], image)
    else:
        heat = ASKING[method](image, ask, np.random.default_rng(seed))
    reliability = measure_reliability(image, heat, ask, seed)
    return Explanation(method, index, float(answers[index]), heat, reliability, ask.asked, monotonic() - began)


def _enlarged(small: Map, image: Pixels) -> Map:
    """To the size of the image, bilinearly."""
    height, width = image.shape[:2]
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))
