"""A Keras model's graph, each of its layers computed by torch's own layer where there is an equal one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from eyas.nn.from_keras.library import beside, keras_on_torch
from eyas.nn.from_keras.translation import BatchNorm, Dropped, Translated, translate


class Held:
    """Something of Keras's that a torch module uses and does not own: a copy of the module uses the same."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> Held:
        return self


class KerasCall(nn.Module):
    """A layer that Keras itself computes; its weights and its state are this module's.

    Args:
        layer: built. Its own variables are read once, and stay as they are.
        whole: whether it is the whole model. Keras tells a model whether it is training only where its `call` takes
            that, and a layer inside a model always; either hands it on to the layers inside.
    """

    def __init__(self, layer: Any, *, whole: bool = False) -> None:
        super().__init__()
        self.layer = Held(layer)
        self.weights = nn.ParameterList(nn.Parameter(v.value.detach().clone()) for v in layer.trainable_variables)
        self.rules = [(index, v.regularizer) for index, v in enumerate(layer.trainable_variables) if v.regularizer]
        for index, variable in enumerate(layer.non_trainable_variables):
            self.register_buffer(f"state_{index}", variable.value.detach().clone())
        self.told = not whole or "training" in inspect.signature(layer.call).parameters
        kind = type(layer)
        self.augments = kind.__name__.startswith("Random") and kind.__name__ != "RandomCrop" and _is_keras(kind)

    def forward(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """What the layer gives for these tensors.

        Args:
            training: None: as the module's own mode.
        """
        training = self.training if training is None else training
        if self.augments and not training:  # Keras draws first, which no ONNX graph could, and changes nothing
            return args[0]
        if self.told:
            kwargs["training"] = training
        layer, state = self.layer.value, list(self.buffers())
        own = [*layer.trainable_variables, *layer.non_trainable_variables]
        ours = zip(own, [*self.weights, *state], strict=True)
        with beside(args[0] if isinstance(args[0], Tensor) else args[0][0]):
            with keras_on_torch().StatelessScope(state_mapping=ours) as scope:
                answer = layer(*args, **kwargs)
            if training:
                self._keep(state, [scope.get_current_value(variable) for variable in layer.non_trainable_variables])
        return answer

    @torch.no_grad()
    def _keep(self, state: list[Tensor], changed: list[Tensor]) -> None:
        for before, after in zip(state, changed, strict=True):
            before.copy_(after)

    def penalty(self) -> list[Tensor]:
        """What each regulariser adds to the loss."""
        return [rule(self.weights[index]) for index, rule in self.rules]

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return type(self.layer.value).__name__


class KerasGraph(nn.Module):
    """A functional Keras model, or a part of one, from one tensor to one tensor.

    Args:
        model: `keras.Sequential`, or of Keras's functional kind.
        made: the modules of layers so far, by the layer's id; a layer that is used here and in another graph has one.
    """

    def __init__(self, model: Any, made: dict[int, nn.Module] | None = None) -> None:
        super().__init__()
        made = {} if made is None else made
        self.model = Held(model)
        self.parts = nn.ModuleDict()
        self._names: dict[int, str] = {}
        for index, operation in enumerate(functional(model).operations):
            if (part := _part(operation, made)) is not None:
                self._names[id(operation)] = name = f"{index}_{type(operation).__name__}"
                self.parts[name] = part

    def forward(self, x: Tensor, *, training: bool | None = None) -> Tensor:
        """(N, …) float32 → (N, …).

        Args:
            training: None: as the module's own mode.
        """
        live = self.training if training is None else training

        def computed_by(operation: Any) -> Callable[..., Any]:
            name = self._names.get(id(operation))
            return operation if name is None else _told(self.parts[name], live)

        with beside(x):
            answer: Tensor = functional(self.model.value)._run_through_graph(x, operation_fn=computed_by)
        return answer


def penalties(body: nn.Module) -> list[Tensor]:
    """What each regulariser of the layers inside adds to the loss; a layer that is used twice counts once."""
    regularised = (part for part in body.modules() if isinstance(part, Translated | KerasCall))
    return [value for part in regularised for value in part.penalty()]


def _told(part: nn.Module, training: bool) -> Callable[..., Any]:
    """The part's call, told whether it is training where it wants to know, whatever the graph says, as in Keras."""

    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs.pop("training", None)
        kwargs.pop("mask", None)
        if isinstance(part, BatchNorm | Dropped | KerasCall | KerasGraph):
            kwargs["training"] = training
        return part(*args, **kwargs)

    return call


def functional(model: Any) -> Any:
    """What holds the graph: of a Sequential, the functional model inside."""
    return getattr(model, "_functional", None) or model


def _part(operation: Any, made: dict[int, nn.Module]) -> nn.Module | None:
    """None for an input, and for an operation that is no layer, which Keras computes."""
    keras = keras_on_torch()
    if isinstance(operation, keras.layers.InputLayer) or not isinstance(operation, keras.layers.Layer):
        return None
    if id(operation) not in made:
        graph = KerasGraph(operation, made) if is_functional(operation) else None
        made[id(operation)] = graph or translate(operation) or KerasCall(operation)
    return made[id(operation)]


def is_functional(model: Any) -> bool:
    """Whether its graph can be seen: a Sequential, or a functional model, and no subclass that may compute anything."""
    keras = keras_on_torch()
    if type(model) is keras.Sequential:
        return len(model.inputs or []) == len(model.outputs or []) == 1
    return (
        type(model).__name__ == "Functional" and _is_keras(type(model)) and len(model.inputs) == len(model.outputs) == 1
    )


def _is_keras(kind: type) -> bool:
    return kind.__module__.startswith("keras.")
