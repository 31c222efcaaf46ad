"""Inference: a bundle and images in, probabilities out. ONNX Runtime is all it needs."""

from eyas.infer.files import LoadedFile, load_files, predict_files
from eyas.infer.predictor import Prediction, Predictor, require_images
from eyas.infer.session import Session, write_optimised

__all__ = [
    "LoadedFile",
    "Prediction",
    "Predictor",
    "Session",
    "load_files",
    "predict_files",
    "require_images",
    "write_optimised",
]
