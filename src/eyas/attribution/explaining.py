"""One image, one method, one class: `eyas.explain.explain`, with the methods that need a network's gradients."""

from __future__ import annotations

from collections.abc import Callable

from eyas.attribution import methods
from eyas.attribution.predictor import NetworkPredictor
from eyas.core.errors import ConfigError
from eyas.explain import METHODS as WITHOUT_GRADIENTS
from eyas.explain import Explanation, Sums
from eyas.explain import explain as explain_by_asking
from eyas.explain.asking import Pixels
from eyas.explain.explanation import QUESTIONS, Case, open_case
from eyas.explain.methods import Map

BY_GRADIENTS: dict[str, Callable[[NetworkPredictor, Case], tuple[Map, Sums | None]]] = {
    "integrated-gradients": methods.integrated_gradients,
    "grad-cam": methods.grad_cam,
    "gradient-shap": methods.gradient_shap,
}
METHODS = (*WITHOUT_GRADIENTS, *BY_GRADIENTS)


def explain(
    predictor: NetworkPredictor,
    image: Pixels,
    method: str = "integrated-gradients",
    index: int | None = None,
    *,
    seconds: float = 5.0,
    questions: int = QUESTIONS,
    seed: int = 0,
) -> Explanation:
    """Explain one answer of a network.

    Args:
        predictor: of the network; `NetworkPredictor.of(open_run("runs/…"))`.
        image: (H, W, C) uint8, as the network takes it.
        method: of `METHODS`.
        index: of the class; the most probable one where None.
        seconds: half of them for the map, half for its measure, roughly.
        questions: images that a method without gradients asks about, roughly at most.
        seed: of what is random.

    Raises:
        ConfigError: there is no such method, or no budget; or the run does not name the data for `gradient-shap`.
        InputError: the image does not fit, the class lies elsewhere, or the network has not what the method needs.
        DataError: `gradient-shap` finds the run's data no more.
        OutOfTimeError: the network is too slow for the method: twice the time is over.
    """
    if method in WITHOUT_GRADIENTS:
        return explain_by_asking(predictor, image, method, index, seconds=seconds, questions=questions, seed=seed)
    if method not in BY_GRADIENTS:
        raise ConfigError(f"the method must be one of {', '.join(METHODS)}, got {method}")
    if method == "gradient-shap":
        _ = predictor.background_logits  # opened and asked once: that takes its own time, and not the method's
    case = open_case(predictor, image, index, seconds=seconds, questions=questions, seed=seed)
    heat, sums = BY_GRADIENTS[method](predictor, case)
    return case.close(method, heat, sums)
