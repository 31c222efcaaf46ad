"""One image, one method, one class: a map, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eyas.core.errors import ConfigError
from eyas.explain import methods
from eyas.explain.asking import Asker, Pixels
from eyas.explain.explanation import QUESTIONS, Answering, Explanation, enlarged, open_case
from eyas.explain.methods import Map

CAM = "cam"
ASKING: dict[str, Callable[[Pixels, Asker, np.random.Generator], Map]] = {
    "occlusion": methods.occlusion,
    "rise": methods.rise,
    "lime": methods.lime,
    "shap": methods.shap,
}
METHODS = (CAM, *ASKING)
GRADIENTS = ("integrated-gradients", "grad-cam", "gradient-shap")
"""The methods of `eyas.attribution`, which need the network itself."""


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
    if method in GRADIENTS:
        raise ConfigError(
            f"{method} needs the gradients of a run's network, and a bundle holds its graph alone: give the run folder "
            "(in Python: eyas.attribution)"
        )
    if method not in METHODS:
        raise ConfigError(f"the method must be one of {', '.join(METHODS)}, got {method}")
    case = open_case(predictor, image, index, seconds=seconds, questions=questions, seed=seed, cam=method == CAM)
    heat = enlarged(case.cam, image) if case.cam is not None else ASKING[method](image, case.ask, case.rng)
    return case.close(method, heat)
