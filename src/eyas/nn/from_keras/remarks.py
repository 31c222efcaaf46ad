"""What a person should know of a Keras model that eyas trains: nothing of it is wrong, but it may not be expected."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eyas.nn.from_keras.library import keras_on_torch

OPTIMISERS = {"Adam": "adam", "AdamW": "adamw", "SGD": "sgd", "RMSprop": "rmsprop"}

# Of Keras's optimisers, and of `train`.
KEYS = {
    "learning_rate": "learning_rate",
    "momentum": "momentum",
    "nesterov": "nesterov",
    "weight_decay": "weight_decay",
    "global_clipnorm": "clip_norm",
}


@dataclass(frozen=True)
class Remarks:
    """Of one model."""

    optimizer: str = ""
    """That it was compiled with; empty where it was not."""
    settings: tuple[str, ...] = ()
    """eyas's keys that give the same optimiser, or the nearest, as `key=value`."""
    same: bool = True
    """Whether they give the same: all else of it is as Keras has it by default, and so in eyas."""
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
            which = "the same optimiser here" if self.same else "the nearest here, which is not the same"
            keys = f"; {which}: {' '.join(self.settings)}" if self.settings else ""
            yield (
                f"the model was compiled with {self.optimizer}; eyas trains with its own optimiser and cross entropy, "
                f"and uses nothing of that{keys}"
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
    settings, same = _settings(optimizer)
    return Remarks(
        optimizer=type(optimizer).__name__ if optimizer is not None else "",
        settings=settings,
        same=same,
        scaling=_scaling(model),
        constraints=tuple(v.path for v in model.trainable_variables if v.constraint is not None),
    )


def _settings(optimizer: Any) -> tuple[tuple[str, ...], bool]:
    """eyas's keys for this optimiser, and whether nothing of it is beyond them."""
    if (name := OPTIMISERS.get(type(optimizer).__name__)) is None:
        return (), True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras's own, of NumPy 2
        values, usual = optimizer.get_config(), type(optimizer)().get_config()
    changed = {key for key, value in values.items() if value != usual.get(key)}
    words = [f"train.optimizer={name}"]
    for key, word in KEYS.items():
        if isinstance(values.get(key), float | int) and values[key]:
            words.append(f"train.{word}={_plain(values[key])}")
            changed.discard(key)
    return tuple(words), changed <= {"name"}


def _plain(value: float | bool) -> str:
    return "true" if value is True else f"{value:g}"


def _scaling(model: Any) -> str:
    """The first layers count: what comes behind a convolution scales no pixels."""
    layers = keras_on_torch().layers
    for layer in model.layers[:4]:
        if isinstance(layer, layers.Rescaling | layers.Normalization):
            return str(layer.name)
        if layer.weights:
            return ""
    return ""
