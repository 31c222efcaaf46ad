"""How a functional Keras model ends: in logits, in their softmax, or in what eyas refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eyas.core.errors import ConfigError
from eyas.nn.from_keras.graph import functional, is_functional
from eyas.nn.from_keras.library import keras_on_torch

# softmax(log_softmax(x)) is softmax(x).
LOGITS = ("linear", "logsoftmax")


@dataclass(frozen=True)
class Ending:
    """How a functional model ends."""

    logits: Any
    """The symbolic tensor that holds them."""
    softmax: bool
    """Whether the model gives softmax(logits)."""
    dense: Any = None
    """The layer that gives them, where it is a dense one that is used once."""
    features: Any = None
    """The symbolic tensor that the dense layer sees."""


def ending_of(model: Any, classes: int, name: str) -> Ending:
    """Where the logits are.

    Args:
        model: functional.
        classes: K.
        name: of the model, for messages.

    Raises:
        ConfigError: other than K numbers for an image, or neither logits nor their softmax.
    """
    answer = model.outputs[0]
    operation, inputs = origin(answer)
    softmax = _is_softmax(operation)
    if softmax:
        answer = inputs[0]
        operation, inputs = origin(answer)
    if tuple(answer.shape[1:]) != (classes,):
        raise ConfigError(
            f"model.name: {name} must give {classes} numbers for an image, one for each class, got the shape "
            f"{tuple(answer.shape[1:])}"
        )
    _require_logits(answer, softmax, name)
    if type(operation) is not keras_on_torch().layers.Dense or len(inputs[0].shape) != 2:
        return Ending(answer, softmax)
    own = _activation(operation)
    if own not in ("linear", "softmax") or _is_used_before(operation, model, inputs[0]):
        return Ending(answer, softmax)
    return Ending(answer, softmax or own == "softmax", operation, inputs[0])


def origin(tensor: Any) -> tuple[Any, list[Any]]:
    """The operation that gives a symbolic tensor, and the symbolic tensors that it takes."""
    operation, index, _ = tensor._keras_history
    return operation, list(operation._inbound_nodes[index].input_tensors)


def up_to(model: Any, tensor: Any) -> Any:
    """The model from its input to one of its symbolic tensors."""
    return keras_on_torch().Model(model.inputs, tensor)


def _is_used_before(layer: Any, model: Any, tensor: Any) -> bool:
    """Whether the layer has a part in this tensor, by itself or inside another."""
    return not any(tensor is given for given in model.inputs) and layer in up_to(model, tensor)._flatten_layers()


def _is_softmax(operation: Any) -> bool:
    keras = keras_on_torch()
    if isinstance(operation, keras.layers.Softmax):
        return bool(operation.axis == -1)
    if isinstance(operation, keras.layers.Activation):
        return operation.activation is keras.activations.softmax
    return type(operation).__name__ == "Softmax" and operation.axis in (-1, 1)


def _require_logits(answer: Any, softmax: bool, name: str) -> None:
    """Refuse a last activation that is none of logits; what a softmax follows may be anything but another.

    A softmax alone at the end of a nested model is left to the trial with two images.
    """
    operation = _last(answer)
    activation = _activation(operation)
    if activation != "softmax" if softmax else activation in (*LOGITS, "softmax"):
        return
    raise ConfigError(
        f"model.name: {name} must end in softmax or in logits, but its last layer, {operation.name}, ends in "
        f"{'softmax twice' if softmax else activation}"
    )


def _last(tensor: Any) -> Any:
    """The operation that gives a tensor, inside nested models, and before an activation that does nothing."""
    keras = keras_on_torch()
    operation, inputs = origin(tensor)
    if is_functional(operation):
        return _last(functional(operation).outputs[0])
    if isinstance(operation, keras.layers.Activation) and operation.activation is keras.activations.linear:
        return _last(inputs[0])
    return operation


def _activation(operation: Any) -> str:
    """What it ends in or is, in small letters without underscores; linear where that is no activation."""
    kind = getattr(operation, "activation", None) or operation
    name = getattr(kind, "__name__", type(kind).__name__).replace("_", "").lower()
    known = {"prelu", *(own.replace("_", "") for own in dir(keras_on_torch().activations))}
    return name if kind is not operation or name in known else "linear"
