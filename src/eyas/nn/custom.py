"""A network of the user's own, from `path/to/file.py:function`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch
from torch import nn

from eyas.core.errors import ConfigError
from eyas.core.schema import CustomConfig


def source_file(config: CustomConfig) -> Path:
    """The Python file that the configuration names."""
    return Path(config.name.rpartition(":")[0])


def build_custom(
    config: CustomConfig, input_shape: tuple[int, int, int], classes: int, file: Path | None = None
) -> tuple[nn.Module, nn.Module]:
    """Body and head of what `function(input_shape=(H, W, C), classes=K, **options)` returns.

    A module with the attributes `body` and `head` gives both. Any other module is the body, and its logits
    are its features.

    Args:
        file: where to read the function from instead of where the configuration says (a run keeps a copy).

    Raises:
        ConfigError: no such file or function, no module returned, or logits that are not (N, classes).
    """
    path, function = file or source_file(config), config.name.rpartition(":")[2]
    build = getattr(_load(path), function, None)
    if not callable(build):
        raise ConfigError(f"model.name: {path} defines no function {function}")
    try:
        module = build(input_shape=input_shape, classes=classes, **config.options)
    except TypeError as error:
        raise ConfigError(
            f"model.name: {function}(input_shape=…, classes=…, **model.options) failed: {error}"
        ) from error
    if not isinstance(module, nn.Module):
        raise ConfigError(f"model.name: {function} must return a torch.nn.Module, got {type(module).__name__}")
    _check_output(module, input_shape, classes, function)
    body, head = getattr(module, "body", None), getattr(module, "head", None)
    if isinstance(body, nn.Module) and isinstance(head, nn.Module):
        return body, head
    return module, nn.Identity()


def _load(path: Path) -> object:
    if not path.is_file():
        raise ConfigError(f"model.name: no such file {path}")
    spec = importlib.util.spec_from_file_location(f"eyas_custom_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"model.name: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that classes defined there can find their module
    spec.loader.exec_module(module)
    return module


def _check_output(module: nn.Module, input_shape: tuple[int, int, int], classes: int, function: str) -> None:
    height, width, channels = input_shape
    module.eval()
    with torch.no_grad():
        logits = module(torch.zeros(2, channels, height, width))
    module.train()
    if tuple(logits.shape) != (2, classes):
        raise ConfigError(
            f"model.name: the network of {function} must give (N, {classes}) logits for (N, {channels}, {height}, "
            f"{width}) float images, got {tuple(logits.shape)} for N = 2"
        )
