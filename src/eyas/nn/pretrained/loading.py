"""A file of weights into a backbone: every weight of it, or an error."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from textwrap import shorten

import torch
from torch import Tensor, nn

from eyas.core.errors import ConfigError, EyasError, needs_extra
from eyas.nn.pretrained.backbone import Backbone
from eyas.nn.pretrained.library import timm
from eyas.nn.pretrained.network import PretrainedNetwork, create

# Where some keep the tensors inside the file.
WRAPPERS = ("state_dict_ema", "state_dict", "model_ema", "model")
REASON = 400  # characters: torch names every layer that is missing
# EfficientNet's layers as the package efficientnet_pytorch and its kin name them: the stem's and the head's, and those
# of a block, whose batch norms count from 0 only where it widens first.
TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
WIDENING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
    **SQUEEZE,
}
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2", **SQUEEZE}


def load_pretrained(network: PretrainedNetwork, backbone: Backbone, file: Path) -> None:
    """Give the network's backbone the weights of `file`.

    Raises:
        ConfigError: the file is damaged or would run code, or its weights are not this architecture's.
    """
    model, weights = network.model, read_weights(file)
    try:
        if "_conv_stem.weight" in weights:
            weights = _timms_names(weights, model, backbone)
        # timm leaves out nothing that the network needs where the number of classes is the file's own.
        classes = _classes(weights, model)
        overlay = {"state_dict": weights, "source": None, "num_classes": classes}
        source = create(backbone, pretrained=True, num_classes=classes, pretrained_cfg_overlay=overlay).state_dict()
    except (RuntimeError, LookupError, ValueError, AssertionError, AttributeError) as error:
        reason = shorten(f"{type(error).__name__}: {error}", REASON, placeholder=" …")
        raise ConfigError(f"{file} does not fit {backbone.architecture}: {reason}") from error
    model.load_state_dict({name: source[name] for name in model.state_dict()})


def read_weights(file: Path) -> dict[str, Tensor]:
    """The file's tensors by name; nothing in it is run.

    Raises:
        ConfigError: it is damaged, or holds something else than tensors.
    """
    try:
        if file.suffix == ".safetensors":
            with needs_extra("pretrained"):
                from safetensors.torch import load_file
            return dict(load_file(file))
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigError(f"{file} holds more than tensors, which could be code: {error}") from error
    except (EyasError, OSError):
        raise
    except Exception as error:  # of bytes that are no file of weights torch raises all kinds
        raise ConfigError(f"{file} is damaged: {str(error) or type(error).__name__}") from error
    for name in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ConfigError(f"{file} must hold tensors by name, got {type(content).__name__}")
    return content


def _classes(weights: dict[str, Tensor], model: nn.Module) -> int:
    """How many classes the file's own dense layer has; 0 where it has none."""
    names = model.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr, operator]
    first = names if isinstance(names, str) else next(iter(names), "")
    dense = weights.get(f"{first}.weight")
    return 0 if dense is None else len(dense)


def _timms_names(weights: dict[str, Tensor], model: nn.Module, backbone: Backbone) -> dict[str, Tensor]:
    """EfficientNet's weights under the names that timm gives them.

    They were TensorFlow's, whose padding and batch norm differ from PyTorch's: the architectures `tf_…` have those.
    """
    if not backbone.architecture.startswith("tf_") and timm().is_model(f"tf_{backbone.architecture}"):
        raise ConfigError(
            f"model.backbone: these weights came from TensorFlow; take tf_{backbone.architecture}, whose padding is "
            "TensorFlow's"
        )
    stages = [len(stage) for stage in model.blocks]  # type: ignore[union-attr]
    places = [f"blocks.{stage}.{block}" for stage, count in enumerate(stages) for block in range(count)]
    return {_timms_name(name, weights, places): value for name, value in weights.items()}


def _timms_name(name: str, weights: dict[str, Tensor], places: list[str]) -> str:
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if block is None:
        layer, _, rest = name.partition(".")
        return f"{TOP[layer]}.{rest}"
    names = WIDENING if f"_blocks.{block[1]}._expand_conv.weight" in weights else PLAIN
    return f"{places[int(block[1])]}.{names[block[2]]}.{block[3]}"
