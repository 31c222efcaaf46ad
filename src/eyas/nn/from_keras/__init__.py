"""Keras models in: read safely, computed by torch's own layers, split into body and head."""

from eyas.nn.from_keras.building import (
    asks_for_shape,
    build_for,
    build_keras,
    input_shape_of,
    model_of,
    open_source,
    read_model,
)
from eyas.nn.from_keras.library import drawn_by_torch
from eyas.nn.from_keras.reading import SAVED, load_weights
from eyas.nn.from_keras.remarks import remarks_on
from eyas.nn.from_keras.splitting import KerasBody, split

__all__ = [
    "SAVED",
    "KerasBody",
    "asks_for_shape",
    "build_for",
    "build_keras",
    "drawn_by_torch",
    "input_shape_of",
    "load_weights",
    "model_of",
    "open_source",
    "read_model",
    "remarks_on",
    "split",
]
