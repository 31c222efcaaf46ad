"""Why a network answered so, by its gradients: PyTorch and captum. What `eyas.explain` does for a bundle, for a run.

image ─► float pixels ─► network ─► a class's logit ─► gradients ─► map (H, W) ─► measured as in `eyas.explain`
"""

from eyas.attribution.explaining import METHODS, explain
from eyas.attribution.layers import last_maps
from eyas.attribution.methods import load_captum
from eyas.attribution.predictor import NetworkPredictor

__all__ = [
    "METHODS",
    "NetworkPredictor",
    "explain",
    "last_maps",
    "load_captum",
]
