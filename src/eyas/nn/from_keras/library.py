"""Keras itself, on its torch backend."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from eyas.core.errors import ConfigError, needs_extra

BACKEND = "torch"


def keras_on_torch() -> ModuleType:
    """Import Keras so that torch computes for it.

    Raises:
        MissingExtraError: Keras is not installed.
        ConfigError: this process has loaded Keras with another backend already.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = BACKEND
    with needs_extra("keras"):
        import h5py  # noqa: F401 - saved models need it
        import keras
    if (backend := keras.backend.backend()) != BACKEND:
        raise ConfigError(
            f"Keras must run on its torch backend, but this process has loaded it with {backend}; set "
            f"KERAS_BACKEND={BACKEND} before Keras is first imported"
        )
    module: ModuleType = keras
    return module


def beside(tensor: Tensor) -> AbstractContextManager[object]:
    """Let Keras compute where the tensor is; by itself it would move all to a GPU that it finds."""
    scope: AbstractContextManager[object] = keras_on_torch().device(str(tensor.device))
    return scope


@contextmanager
def input_shape_in_a_layer() -> Iterator[None]:
    """Let layers say `input_shape`, as courses and Keras 2 do, without Keras's advice against it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Do not pass an `input_shape`", UserWarning)
        yield


@contextmanager
def drawn_by_torch() -> Iterator[None]:
    """Let torch's global generator decide what Keras draws, by one number; all generators else are left as they were.

    Keras takes the seeds of its initialisers from Python's generator. Weights are made on the CPU.
    """
    keras = keras_on_torch()
    seed = int(torch.randint(1 << 31, ()))
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]), keras.device("cpu"):
            random.seed(seed)
            np.random.seed(seed)
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
