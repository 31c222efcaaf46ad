"""One image, one method, one class: a map, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import numpy as np

from eyas.core.errors import ConfigError, InputError
from eyas.explain import methods
from eyas.explain.asking import Asker, Pixels, Predict
from eyas.explain.methods import Map
from eyas.explain.reliability import Reliability, measure_reliability

METHODS: dict[str, Callable[[Pixels, Asker, np.random.Generator], Map]] = {
    "occlusion": methods.occlusion,
    "rise": methods.rise,
    "lime": methods.lime,
    "shap": methods.shap,
}
QUESTIONS = 1500
"""Images that a method asks about, at most, where nothing else is asked for."""


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
    predict: Predict,
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
        predict: (N, H, W, C) uint8 → (N, K) probabilities.
        image: (H, W, C) uint8, as the model takes it.
        method: of `METHODS`.
        index: of the class; the most probable one where None.
        seconds: after which the method ends with what it has; the measure of its reliability comes on top.
        questions: images that the method asks about, roughly at most. Where they are what ends it, the same seed
            gives the same map.
        seed: of what is random.

    Raises:
        ConfigError: there is no such method, or no budget.
        InputError: the image is none, or the class lies elsewhere.
    """
    if method not in METHODS:
        raise ConfigError(f"the method must be one of {', '.join(METHODS)}, got {method}")
    if not seconds > 0 or questions < 1:
        raise ConfigError(f"seconds and questions must be above 0, got {seconds} and {questions}")
    if image.ndim != 3 or image.dtype != np.uint8:
        raise InputError(f"the image must be (H, W, C) uint8, got {image.dtype} {image.shape}")
    began = monotonic()
    answers = predict(image[None])[0]
    index = int(answers.argmax()) if index is None else index
    if not 0 <= index < len(answers):
        raise InputError(f"the class must be in [0, {len(answers)}), got {index}")
    ask = Asker(predict, index, seconds, questions)
    found = METHODS[method](image, ask, np.random.default_rng(seed))
    reliability = measure_reliability(image, found, ask, seed)
    return Explanation(method, index, float(answers[index]), found, reliability, ask.asked, monotonic() - began)
