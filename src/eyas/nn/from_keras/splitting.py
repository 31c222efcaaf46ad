"""A Keras model as body and head: what the last dense layer sees, and the logits that it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from eyas.core.errors import ConfigError
from eyas.nn.custom import blaming
from eyas.nn.dropout import Dropout
from eyas.nn.from_keras.ending import Ending, ending_of, origin, up_to
from eyas.nn.from_keras.graph import KerasCall, KerasGraph, is_functional, penalties
from eyas.nn.from_keras.library import beside, keras_on_torch
from eyas.nn.from_keras.remarks import Remarks, remarks_on
from eyas.nn.from_keras.translation import Rules, translate

# Of two ways to compute the same in float32, relative to the largest value.
TOLERANCE = 1e-3


class KerasBody(nn.Sequential):
    """The body of a network that was a Keras model: (N, C, H, W) float32 → (N, D).

    Args:
        parts: its modules, in order.
        head_rules: regularisers of the head's parameters, by name.
    """

    remarks = Remarks()

    def __init__(self, *parts: nn.Module, head_rules: Rules) -> None:
        super().__init__(*parts)
        self.head_rules = head_rules

    def penalty(self, head: nn.Module) -> Tensor | float:
        """What the regularisers of all layers add to the loss, as Keras counts it."""
        with beside(next(head.parameters(), next(self.parameters(), torch.zeros(())))):
            found = penalties(self)
            found += [rule(head.get_parameter(name)) for name, rule in self.head_rules]
        return torch.stack(found).sum() if found else 0.0


class Feed(nn.Module):
    """(N, C, H, W) → what a Keras model takes: (N, H, W, C), (N, H, W) of grey images, or (N, H · W · C)."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """A view where the memory is channels-last."""
        images = x.permute(0, 2, 3, 1)
        return {1: images.flatten(1), 2: images[..., 0], 3: images}[self.axes] if self.axes < 3 else images


class ChannelsFirst(nn.Module):
    """(N, h, w, D) → (N, D, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        """A view."""
        return x.permute(0, 3, 1, 2)


def split(model: Any, input_shape: tuple[int, int, int], classes: int, name: str) -> tuple[KerasBody, nn.Module, bool]:
    """Body and head, and whether images of any size will do.

    Args:
        model: built.
        input_shape: (H, W, C) of the images.
        classes: K.
        name: of the model, for messages.

    Raises:
        ConfigError: it takes other images, fails on them, gives other than K logits or their softmax, has losses of
            its own, or shares weights where eyas does not see it.
    """
    _require_plain(model, name)
    if not is_functional(model):
        axes, any_size = 3, False
        head: nn.Module = nn.Identity()
        body, softmax = KerasBody(Feed(axes), KerasCall(model, whole=True), head_rules=[]), False
    else:
        axes, any_size = _axes(tuple(model.input_shape[1:]), input_shape, name), None in model.input_shape[1:]
        ending = ending_of(model, classes, name)
        body, head = _parts(model, ending, axes)
        softmax = ending.softmax
    _require_all_weights(model, body, head, name)
    body.remarks = remarks_on(model)
    logits = _try(model, body, head, Trial(axes, input_shape, softmax, name))
    if tuple(logits.shape) != (2, classes):
        raise ConfigError(f"model.name: {name} must give (N, {classes}) logits, got {tuple(logits.shape)} for N = 2")
    return body, head, any_size


def _axes(wanted: tuple[int | None, ...], given: tuple[int, int, int], name: str) -> int:
    height, width, channels = given
    ways = [(height, width, channels), (height * width * channels,), *([(height, width)] if channels == 1 else [])]
    for way in ways:
        fits = len(way) == len(wanted) and all(b in (None, a) for a, b in zip(way, wanted, strict=True))
        if fits:
            return len(way)
    hint = f"; {_hint(wanted, given)}" if _hint(wanted, given) else ""
    shapes = " or ".join(str(way) for way in ways)
    raise ConfigError(f"model.name: {name} must take images of shape {shapes}, but its input is {wanted}{hint}")


def _hint(wanted: tuple[int | None, ...], given: tuple[int, int, int]) -> str:
    """The keys that bring images to what the model takes; empty where there are none."""
    height, width, channels = given
    if len(wanted) >= 2 and all(wanted[:2]) and wanted[:2] != (height, width):
        return f"data.image_size=[{wanted[0]},{wanted[1]}] brings them to its size"
    if len(wanted) == 2 or (len(wanted) == 3 and wanted[2] in (1, 3) and wanted[2] != channels):
        return f"data.channels={1 if len(wanted) == 2 else wanted[2]} makes them so"
    for depth in (1, 3):
        side = math.isqrt((wanted[0] or 0) // depth)
        if len(wanted) == 1 and side and side * side * depth == wanted[0]:
            return f"data.image_size={side} data.channels={depth} makes so many numbers of them"
    return ""


def _require_all_weights(model: Any, body: nn.Module, head: nn.Module, name: str) -> None:
    ours = sum(p.numel() for part in (body, head) for p in part.parameters() if p.requires_grad)
    keras_s = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    if ours != keras_s:
        raise ConfigError(
            f"model.name: {name} has {keras_s:,} trainable weights in Keras and would have {ours:,} in eyas; a layer "
            "of your own must not share weights with layers outside it"
        )


def _require_plain(model: Any, name: str) -> None:
    """Refuse what eyas cannot feed, and what training or float32 would not honour."""
    if len(getattr(model, "inputs", None) or [0]) > 1 or len(getattr(model, "outputs", None) or [0]) > 1:
        raise ConfigError(
            f"model.name: {name} must have one input and one output, got {len(model.inputs)} and {len(model.outputs)}"
        )
    for layer in model._flatten_layers():
        if layer.compute_dtype in ("float16", "bfloat16"):
            raise ConfigError(
                f"model.name: layer {layer.name} of {name} must compute in float32, got {layer.compute_dtype}; eyas "
                "chooses the precision itself (train.precision)"
            )
        if getattr(layer, "activity_regularizer", None) is not None:
            raise ConfigError(
                f"model.name: layer {layer.name} of {name} has an activity_regularizer, which eyas does not count; it "
                "counts kernel_regularizer and bias_regularizer"
            )


def _parts(model: Any, ending: Ending, axes: int) -> tuple[KerasBody, nn.Module]:
    if ending.dense is None:
        return KerasBody(Feed(axes), *_graph(model, ending.logits), head_rules=[]), nn.Identity()
    translated: Any = translate(ending.dense)
    if translated is None:  # a regulariser that minds the kernel's layout
        return KerasBody(Feed(axes), *_graph(model, ending.logits), head_rules=[]), nn.Identity()
    maps, after = _averaged(ending.features)
    body = KerasBody(Feed(axes), *_graph(model, maps), *after, head_rules=translated.rules)
    return body, translated.inner


def _graph(model: Any, tensor: Any) -> list[nn.Module]:
    return [] if any(tensor is given for given in model.inputs) else [KerasGraph(up_to(model, tensor))]


def _averaged(features: Any) -> tuple[Any, list[nn.Module]]:
    """What is averaged over positions to give the features, and what does that, as `nn.cam` wants it; else themselves.

    Dropout may come between the average and the head.
    """
    keras = keras_on_torch()
    tensor, after = features, list[nn.Module]()
    operation, inputs = origin(tensor)
    while type(operation) is keras.layers.Dropout and translate(operation) is not None:
        after.insert(0, Dropout(operation.rate))
        tensor = inputs[0]
        operation, inputs = origin(tensor)
    if type(operation) is not keras.layers.GlobalAveragePooling2D or translate(operation) is None:
        return features, []
    return inputs[0], [ChannelsFirst(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *after]


@dataclass(frozen=True)
class Trial:
    """What two images are to show."""

    axes: int
    input_shape: tuple[int, int, int]
    softmax: bool
    """Whether the model gives softmax(logits)."""
    name: str


@torch.no_grad()
def _try(model: Any, body: nn.Module, head: nn.Module, trial: Trial) -> Tensor:
    """The logits of two images; refuses probabilities, losses of its own, and whatever answers otherwise in Keras."""
    height, width, channels = trial.input_shape
    images = torch.linspace(-1, 1, 2 * channels * height * width).view(2, channels, height, width)
    body.eval()
    with blaming(f"{trial.name} on images of shape {trial.input_shape}"):
        expected = model(Feed(trial.axes)(images), training=False)
        logits: Tensor = head(body(images))
    body.train()
    if len(model.losses) > sum(variable.regularizer is not None for variable in model.trainable_variables):
        raise ConfigError(
            f"model.name: {trial.name} adds losses of its own (add_loss), which eyas does not count; it counts "
            "kernel_regularizer and bias_regularizer"
        )
    answer = torch.softmax(logits, 1) if trial.softmax else logits
    same = answer.shape == getattr(expected, "shape", None)
    if not same or (answer - expected).abs().max() > TOLERANCE * max(1.0, float(expected.abs().max())):
        raise ConfigError(
            f"model.name: {trial.name} computes otherwise in eyas than in Keras; please report this model"
        )
    if not trial.softmax and bool((logits >= 0).all()) and torch.allclose(logits.sum(1), torch.ones(2), atol=1e-4):
        raise ConfigError(
            f"model.name: {trial.name} must end in logits, or in a softmax that can be seen as its last layer, but it "
            "gives probabilities; leave its softmax out"
        )
    return logits
