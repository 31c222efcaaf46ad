"""What a person should know of a Keras model that eyas trains: nothing of it is wrong, but it may not be expected."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eyas.nn.from_keras.library import keras_on_torch

OPTIMISERS = {"Adam": "adam", "AdamW": "adamw", "SGD": "sgd", "RMSprop": "rmsprop"}


@dataclass(frozen=True)
class Remarks:
    """Of one model."""

    optimizer: str = ""
    """That it was compiled with; empty where it was not."""
    settings: tuple[str, ...] = ()
    """eyas's keys that give the same optimiser, as `key=value`."""
    scaling: str = ""
    """The name of a layer at its beginning that scales the pixels."""
    constraints: tuple[str, ...] = ()
    """Variables with a constraint."""

    def lines(self, normalize: Any) -> Iterator[str]:
        """In words, for a run that trains it.

        Args:
            normalize: `data.normalize`.
        """
        if self.optimizer:
            same = f"; the same optimiser here: {' '.join(self.settings)}" if self.settings else ""
            yield (
                f"the model was compiled with {self.optimizer}; eyas trains with its own optimiser and cross entropy, "
                f"and uses nothing of that{same}"
            )
        if self.scaling and normalize != "bytes":
            yield (
                f"the model scales its input itself (layer {self.scaling}) and now sees pixels scaled by data.normalize"
                f"={normalize} before; data.normalize=bytes gives it the values 0 to 255"
            )
        if self.constraints:
            yield f"constraints are not applied in training: {', '.join(self.constraints)}"


def remarks_on(model: Any) -> Remarks:
    """Look a built Keras model over."""
    optimizer = getattr(model, "optimizer", None)
    return Remarks(
        optimizer=type(optimizer).__name__ if optimizer is not None else "",
        settings=tuple(_settings(optimizer)) if optimizer is not None else (),
        scaling=_scaling(model),
        constraints=tuple(v.path for v in model.trainable_variables if v.constraint is not None),
    )


def _settings(optimizer: Any) -> Iterator[str]:
    if (name := OPTIMISERS.get(type(optimizer).__name__)) is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras's own, of NumPy 2
        values = optimizer.get_config()
    yield f"train.optimizer={name}"
    if isinstance(rate := values.get("learning_rate"), float | int):
        yield f"train.learning_rate={rate:g}"
    if momentum := values.get("momentum"):
        yield f"train.momentum={momentum:g}"
    if values.get("nesterov"):
        yield "train.nesterov=true"
    if decay := values.get("weight_decay"):
        yield f"train.weight_decay={decay:g}"
    if norm := values.get("clipnorm") or values.get("global_clipnorm"):
        yield f"train.clip_norm={norm:g}"


def _scaling(model: Any) -> str:
    """The first layers count: what comes behind a convolution scales no pixels."""
    layers = keras_on_torch().layers
    for layer in model.layers[:4]:
        if isinstance(layer, layers.Rescaling | layers.Normalization):
            return str(layer.name)
        if layer.weights:
            return ""
    return ""
