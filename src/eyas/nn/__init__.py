"""Networks: uint8 images in, logits out."""

from eyas.nn.build import build_network
from eyas.nn.network import Network, Normalise
from eyas.nn.outputs import Outputs, run_in_parts, run_network
from eyas.nn.pretrained import PretrainedNetwork
from eyas.nn.stem import fit_stem
from eyas.nn.weights import load_network, load_weights, save_weights

__all__ = [
    "Network",
    "Normalise",
    "Outputs",
    "PretrainedNetwork",
    "build_network",
    "fit_stem",
    "load_network",
    "load_weights",
    "run_in_parts",
    "run_network",
    "save_weights",
]
