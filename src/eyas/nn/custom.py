"""A network of the user's own, from `path/to/file.py:function`."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from eyas.core.errors import ConfigError
from eyas.core.schema import CustomConfig


def source_file(config: CustomConfig) -> Path:
    """The Python file that the configuration names."""
    return Path(config.name.rpartition(":")[0])


def build_custom(
    config: CustomConfig, input_shape: tuple[int, int, int], classes: int, file: Path | None = None
) -> tuple[nn.Module, nn.Module, bool]:
    """Body and head of what `function(input_shape=(H, W, C), classes=K, **options)` returns.

    A module whose output is `head(body(x))` of its own attributes `body` and `head` gives both, with (N, D)
    features between them, and so does an `nn.Sequential` that ends in an `nn.Linear`. Any other module is the body,
    and its logits are its features.

    Args:
        file: where to read the function from instead of where the configuration says (a run keeps a copy).

    Returns:
        Body, head, and whether they took images of a smaller and of a larger size too.

    Raises:
        ConfigError: no such file or function, one that fails, no module returned, or logits that are not (N, classes).
    """
    path, function = file or source_file(config), config.name.rpartition(":")[2]
    with blaming(f"reading {path}"):
        build = getattr(load_source(path), function, None)
    if not callable(build):
        raise ConfigError(f"model.name: {path} defines no function {function}")
    with blaming(f"{function}(input_shape={input_shape}, classes={classes}, **model.options)"):
        module = build(input_shape=input_shape, classes=classes, **config.options)
    if not isinstance(module, nn.Module):
        raise ConfigError(f"model.name: {function} must return a torch.nn.Module, got {type(module).__name__}")
    with blaming(f"the network of {function}"):
        return _split(module, input_shape, classes, function)


@contextmanager
def blaming(what: str, missing: tuple[str, str] = ("", "")) -> Iterator[None]:
    """Turn whatever the user's own code raises into a `ConfigError` that names its type, message and line.

    Args:
        missing: a module that the code may look for in vain, and what to do then.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        module = error.name if isinstance(error, ModuleNotFoundError) else None
        hint = f"; {missing[1]}" if module and module.split(".")[0] == missing[0] else ""
        raise ConfigError(f"model.name: {what} failed ({type(error).__name__} in {where}): {error}{hint}") from error


def load_source(path: Path) -> object:
    """Run a Python file as a module of its own."""
    if not path.is_file():
        raise ConfigError(f"model.name: no such file {path}")
    spec = importlib.util.spec_from_file_location(f"eyas_custom_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"model.name: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that classes defined there can find their module
    spec.loader.exec_module(module)
    return module


@torch.no_grad()
def _split(
    module: nn.Module, input_shape: tuple[int, int, int], classes: int, function: str
) -> tuple[nn.Module, nn.Module, bool]:
    """Body and head, and whether any size will do, after trials on two images."""
    height, width, channels = input_shape
    images = _images(channels, height, width)
    module.eval()
    logits = module(images)
    if tuple(logits.shape) != (2, classes):
        raise ConfigError(
            f"model.name: the network of {function} must give (N, {classes}) logits for (N, {channels}, {height}, "
            f"{width}) float images, got {tuple(logits.shape)} for N = 2"
        )
    body, head = getattr(module, "body", None), getattr(module, "head", None)
    parts: tuple[nn.Module, nn.Module] = (module, nn.Identity())
    if isinstance(body, nn.Module) and isinstance(head, nn.Module):
        features = body(images)
        if features.ndim == 2 and torch.allclose(head(features), logits, atol=1e-5):
            parts = (body, head)
    elif type(module) is nn.Sequential and len(module) > 1 and isinstance(module[-1], nn.Linear):
        features = module[:-1](images)
        if features.ndim == 2:
            parts = (module[:-1], module[-1])
    sizes = [(height * 3 // 4, width * 3 // 4), (height + 8, width + 8)]
    any_size = all(_takes(module, _images(channels, *size), classes) for size in sizes)
    module.train()
    return *parts, any_size


def _images(channels: int, height: int, width: int) -> Tensor:
    return torch.linspace(-1, 1, 2 * channels * height * width).view(2, channels, height, width)


def _takes(module: nn.Module, images: Tensor, classes: int) -> bool:
    """Whether the module gives logits for these images; whatever it raises otherwise is the answer no."""
    try:
        return tuple(module(images).shape) == (len(images), classes)
    except Exception:  # noqa: BLE001
        return False
