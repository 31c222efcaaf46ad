"""Backbones that learnt from other images: found by name, described in the run folder, and put below a dense layer."""

from eyas.nn.pretrained.backbone import BACKBONE_FILE, Backbone, read_backbone
from eyas.nn.pretrained.finding import find_backbone
from eyas.nn.pretrained.loading import load_pretrained
from eyas.nn.pretrained.network import PretrainedNetwork, build_pretrained

__all__ = [
    "BACKBONE_FILE",
    "Backbone",
    "PretrainedNetwork",
    "build_pretrained",
    "find_backbone",
    "load_pretrained",
    "read_backbone",
]
