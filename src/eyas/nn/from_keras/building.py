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
    """The Keras model of a file, built where it or `input_shape` says its input.

    Args:
        input_shape, classes: for a builder that asks for them, and to build a Sequential that says no input shape.

    Raises:
        ConfigError: the file cannot be read, gives no Keras model, trains it, or takes no options.
    """
    path = file or Path(config.source)
    return model_of(open_source(path, config), path, config, input_shape, classes)


def open_source(path: Path, config: KerasConfig) -> Any:
    """What a file holds: a model, or a function that gives one.

    Raises:
        ConfigError: the file cannot be read, or does not define it.
    """
    if path.suffix != ".py":
        return read_saved(path)
    keras_on_torch()
    with _running(path):
        return _defined(path, _name(config))


def model_of(
    found: Any, path: Path, config: KerasConfig, input_shape: Shape | None = None, classes: int | None = None
) -> Any:
    """The model that `open_source` found, or that the function there gives; else as `read_model`."""
    keras, name = keras_on_torch().Model, _name(config)
    if config.options and not _is_function(found):
        raise ConfigError(f"model.options are for a function, and {name} is a model; got {', '.join(config.options)}")
    if _is_function(found):
        with _running(path):
            found = found(**_asked_for(found, input_shape, classes), **config.options)
    if not isinstance(found, keras):
        raise ConfigError(f"model.name: {name} must be or give a keras.Model, got {type(found).__name__}")
    build_for(found, input_shape, name)
    if path.suffix == ".py":
        _require_untrained(found, path)
    return found


def asks_for_shape(found: Any) -> bool:
    """Whether it is a function that wants to be told the images' shape or the number of classes."""
    return bool(_asked_for(found, (1, 1, 1), 1))


def _name(config: KerasConfig) -> str:
    """Of the variable or function in a Python file; else the file's."""
    named = config.name.rpartition(":")[2]
    return named if config.source.endswith(".py") else Path(named).name


def _is_function(found: Any) -> bool:
    return callable(found) and not isinstance(found, keras_on_torch().Model)


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
    if not _is_function(build):
        return {}
    parameters = inspect.signature(build).parameters
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    known = {"input_shape": input_shape, "classes": classes}
    return {key: value for key, value in known.items() if value is not None and (anything or key in parameters)}


def build_for(model: Any, input_shape: Shape | None, name: str) -> None:
    """Build a model that says no input shape: for (H, W, C). A subclass makes its weights when it is first called.

    Args:
        input_shape: None: leave it as it is.
        name: of the model, for messages.

    Raises:
        ConfigError: it cannot be built for them.
    """
    if input_shape is None:
        return
    with blaming(f"the input shape {input_shape} for {name}"):
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
            "trains it; or, where it loads a model that was compiled, load that with compile=False, or name the saved "
            "file instead (keras:model.keras)"
        )
