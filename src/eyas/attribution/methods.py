"""The methods: each takes gradients of a class's logit and gives a map (H, W), positive where a part speaks for it.

integrated_gradients  Σ over a straight way from a baseline to the image (Sundararajan, Taly & Yan 2017, *Axiomatic
                      Attribution for Deep Networks*, eq. 1). The baseline is the image's own mean colour, with which
                      `eyas.explain` hides parts too
grad_cam              the last maps, each weighted by its mean gradient (Selvaraju et al. 2017, *Grad-CAM*, eq. 1, 2),
                      without the cut at 0: what speaks against the class stays to be seen
gradient_shap         the same way from training images drawn at random, at random points of it (Lundberg & Lee 2017;
                      Erion et al. 2021, *Improving performance of deep learning models with axiomatic attribution
                      priors and expected gradients*, eq. 4): an estimate of Shapley values

The logit and not the probability: where a network is sure, the gradients of its probabilities vanish. Of a pixel's
channels the map has the sum, so that it adds up as they do.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eyas.attribution.layers import last_maps
from eyas.attribution.predictor import NetworkPredictor, images_at_once
from eyas.core.errors import needs_extra
from eyas.explain import Sums
from eyas.explain.explanation import Case, enlarged
from eyas.explain.methods import Map
from eyas.explain.regions import hidden

FIRST_STEPS, MOST_STEPS = 16, 512
CLOSE = 0.01
"""Of the difference of the logits (of 1, where it is smaller): a map that adds up so well needs no more steps."""
FIRST_DRAWN, DRAWN, MOST_DRAWN = 4, 64, 1024
"""Draws of gradient SHAP: in the first batch, in one batch at most, in all at most."""


def load_captum() -> Any:
    """captum's methods, loaded when one is asked for: 0.4 s that other explanations do without.

    In a notebook without ipywidgets the bar that comes with it warns; nothing here draws one.

    Raises:
        MissingExtraError: it is not installed.
    """
    with needs_extra("train"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")
        from captum import attr
    return attr


def integrated_gradients(predictor: NetworkPredictor, case: Case) -> tuple[Map, Sums]:
    """Steps by Gauss and Legendre's rule, twice as many until the map adds up or half the time would be over."""
    pixels, baseline = predictor.pixels(case.image[None]), predictor.pixels(_blank(case))
    expected = _logit(predictor, case, pixels) - _logit(predictor, case, baseline)
    method, steps = load_captum().IntegratedGradients(predictor.logits), FIRST_STEPS
    at_once = _at_once(pixels)
    while True:
        began = monotonic()
        found = method.attribute(pixels, baseline, case.index, n_steps=steps, internal_batch_size=at_once)
        case.ask.asked += steps
        sums = Sums(float(found.double().sum()), expected, "the image's mean colour", steps)
        over = 2 * (monotonic() - began) > case.ask.left_for_map
        if over or steps >= MOST_STEPS or abs(sums.delta) <= CLOSE * max(1.0, abs(expected)):
            return _summed(found), sums
        steps *= 2


def grad_cam(predictor: NetworkPredictor, case: Case) -> tuple[Map, None]:
    """One gradient. Where a dense head sees the average of the maps, it is CAM over the number of positions.

    That is so where those maps have more than one position: of one, maps further up are taken.
    """
    pixels = predictor.pixels(case.image[None]).requires_grad_()
    method = load_captum().LayerGradCam(predictor.logits, last_maps(predictor.network, pixels))
    small = method.attribute(pixels, case.index)[0, 0].detach().cpu().numpy()
    case.ask.asked += 1
    return enlarged(small, case.image), None


def gradient_shap(predictor: NetworkPredictor, case: Case) -> tuple[Map, Sums]:
    """Draws in batches, each twice the last, until there are 1,024 or half the time would be over.

    The same seed gives the same ones, as many as there is time for.

    Raises:
        InputError: the predictor has no background.
    """
    pixels, background = predictor.pixels(case.image[None]), predictor.pixels(predictor.compared_with())
    expected = _logit(predictor, case, pixels) - float(predictor.background_logits[case.index])
    method, total, drawn = load_captum().GradientShap(predictor.logits), torch.zeros_like(pixels), 0
    most = min(DRAWN, _at_once(pixels))
    count = min(FIRST_DRAWN, most)
    with _drawn_from(case.seed):
        while True:
            began = monotonic()
            found = method.attribute(pixels, background, n_samples=count, stdevs=0.0, target=case.index)
            total += count * found.detach()
            drawn += count
            case.ask.asked += count
            following = min(2 * count, most, MOST_DRAWN - drawn)
            if not following or (monotonic() - began) * following / count > case.ask.left_for_map:
                break
            count = following
    found = total / drawn
    what = f"{len(background)} training images"
    return _summed(found), Sums(float(found.double().sum()), expected, what, drawn)


def _blank(case: Case) -> np.ndarray:
    """(1, H, W, C): the image with all of it hidden."""
    return hidden(case.image, np.zeros((1, *case.image.shape[:2])))


@torch.no_grad()
def _logit(predictor: NetworkPredictor, case: Case, pixels: Tensor) -> float:
    """Of the class, for one image (1, H, W, C)."""
    case.ask.asked += 1
    return float(predictor.logits(pixels)[0, case.index])


def _at_once(pixels: Tensor) -> int:
    """How many of such images, (N, H, W, C), go into a batch."""
    return images_at_once(*pixels.shape[1:3])


def _summed(found: Tensor) -> Map:
    """(1, H, W, C) → (H, W): the sum over the channels."""
    summed: Map = found[0].detach().sum(-1).float().cpu().numpy()
    return summed


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """Captum draws from NumPy's and torch's global generators: seed both, and leave them as they were.

    Of torch the CPU's alone: `torch.manual_seed` would seed the accelerators too, which nothing here puts back.
    """
    before = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            np.random.set_state(before)
