"""Networks: uint8 images in, logits out."""

from eyas.nn.build import build_network
from eyas.nn.network import Network, Normalise
from eyas.nn.outputs import Outputs, run_network
from eyas.nn.weights import load_network, load_weights, save_weights

__all__ = [
    "Network",
    "Normalise",
    "Outputs",
    "build_network",
    "load_network",
    "load_weights",
    "run_network",
    "save_weights",
]
