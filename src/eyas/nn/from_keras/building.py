"""From `model: keras:…` to body and head."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eyas.core.errors import ConfigError
from eyas.core.schema import KerasConfig
from eyas.nn.custom import blaming, load_source
from eyas.nn.from_keras.graph import is_functional
from eyas.nn.from_keras.library import drawn_by_torch, input_shape_in_a_layer, keras_on_torch
from eyas.nn.from_keras.reading import read_saved
from eyas.nn.from_keras.splitting import KerasBody, split

Shape = tuple[int, int, int]


def build_keras(
    config: KerasConfig, input_shape: Shape, classes: int, file: Path | None = None
) -> tuple[KerasBody, nn.Module, bool]:
    """Body, head, and whether images of any size will do; torch's global generator decides the weights.

    Args:
        file: where to read the model from instead of where the configuration says (a run keeps a copy).

    Raises:
        ConfigError: a file or model that does not do, or does not fit the images or classes.
    """
    with drawn_by_torch():
        model = read_model(config, input_shape, classes, file)
        return split(model, input_shape, classes, config.name)


def read_model(
    config: KerasConfig, input_shape: Shape | None = None, classes: int | None = None, file: Path | None = None
) -> Any:
    """The built Keras model of a file.

    Args:
        input_shape, classes: for a builder that asks for them, and to build a Sequential that says no input shape.

    Raises:
        ConfigError: the file cannot be read, gives no Keras model, or trains it.
    """
    path = file or Path(config.source)
    if path.suffix != ".py":
        return read_saved(path)
    keras, wanted = keras_on_torch(), config.name.rpartition(":")[2]
    with _running(path):
        found = _defined(path, wanted)
        if callable(found) and not isinstance(found, keras.Model):
            found = found(**_asked_for(found, input_shape, classes), **config.options)
    if not isinstance(found, keras.Model):
        raise ConfigError(f"model.name: {wanted} must be or give a keras.Model, got {type(found).__name__}")
    with blaming(f"the input shape {input_shape} for {wanted}"):
        _build(found, input_shape)
    _require_untrained(found, path)
    return found


def asks_for_shape(config: KerasConfig) -> bool:
    """Whether it is a function that wants to be told the images' shape or the number of classes.

    Raises:
        ConfigError: as `read_model`.
    """
    path = Path(config.source)
    if path.suffix != ".py":
        return False
    keras_on_torch()
    with _running(path):
        return bool(_asked_for(_defined(path, config.name.rpartition(":")[2]), (1, 1, 1), 1))


@contextmanager
def _running(path: Path) -> Iterator[None]:
    """The user's file runs here."""
    with input_shape_in_a_layer(), blaming(f"reading {path}", _WITHOUT_TENSORFLOW):
        yield


def _defined(path: Path, name: str) -> Any:
    found = getattr(load_source(path), name, None)
    if found is None:
        raise ConfigError(f"model.name: {path} defines no {name}")
    return found


_WITHOUT_TENSORFLOW = (
    "tensorflow",
    "Keras runs on torch here; write `import keras` for `from tensorflow import keras` and leave TensorFlow out",
)


def input_shape_of(model: Any) -> tuple[int | None, ...] | None:
    """Without the batch: (H, W, C), (H, W) or (D,), None for a free side; None where the model says nothing."""
    shape = getattr(model, "input_shape", None) if model.built else None
    return tuple(shape[1:]) if isinstance(shape, tuple) else None


def _asked_for(build: Any, input_shape: Shape | None, classes: int | None) -> dict[str, Any]:
    """Of input_shape and classes, those that the function takes."""
    if isinstance(build, keras_on_torch().Model) or not callable(build):
        return {}
    parameters = inspect.signature(build).parameters
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    known = {"input_shape": input_shape, "classes": classes}
    return {key: value for key, value in known.items() if value is not None and (anything or key in parameters)}


def _build(model: Any, input_shape: Shape | None) -> None:
    """A model that says no input shape takes (H, W, C); a subclass makes its weights when it is first called."""
    if input_shape is None:
        return
    if type(model) is keras_on_torch().Sequential:
        if not model.built:
            model.build((None, *input_shape))
    elif not is_functional(model):
        model(torch.zeros(2, *input_shape), training=False)


def _require_untrained(model: Any, path: Path) -> None:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and int(optimizer.iterations) > 0:
        raise ConfigError(
            f"model.name: {path} trains the model itself (model.fit), every time that it is read; leave that out: eyas "
            "trains it"
        )
