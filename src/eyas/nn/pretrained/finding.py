"""From `model.backbone` and `model.weights` to a description and a file of weights."""

from __future__ import annotations

import difflib
import importlib.util
from pathlib import Path
from typing import Any

from eyas.core import io
from eyas.core.errors import ConfigError
from eyas.core.schema import PretrainedConfig
from eyas.nn.pretrained.backbone import Backbone
from eyas.nn.pretrained.hub import fetch, is_cached
from eyas.nn.pretrained.library import timm
from eyas.nn.pretrained.resize import FILTERS

HUB = "hf-hub:"
CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""On the hub, the better first."""
SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
FOREIGN = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir")
"""Arguments of timm's `create_model` by which a `config.json` would have other files loaded than its own weights."""


def find_backbone(config: PretrainedConfig) -> tuple[Backbone, Path]:
    """The description, and the file of weights, downloaded where it must be.

    Raises:
        ConfigError: no such name, folder, file or package; a repository or a folder that is not in timm's format; or
            nothing in the cache and no network.
        MissingExtraError: timm is not installed.
    """
    folder = Path(config.backbone)
    if config.backbone.startswith(HUB):
        repository = config.backbone.removeprefix(HUB)
        file = fetch(repository, CONFIG, offline=config.offline)
        if file is None:
            raise ConfigError(f"model.backbone: {repository} has no {CONFIG}, so it is no model of timm's")
        architecture, arguments, prepared = _read_config(file)
        weights = _own_weights(config) or _of_hub(repository, config)
    elif folder.is_dir():
        architecture, arguments, prepared = _read_config(folder / CONFIG)
        weights = _own_weights(config) or _only_weights(folder)
    else:
        architecture, arguments, prepared = _named(config.backbone.removeprefix("timm/"))
        weights = _own_weights(config) or _of_hub(prepared.get("hf_hub_id") or "", config)
    return _describe(config, architecture, arguments, prepared, weights), weights


def _named(name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Of timm's own list."""
    library = timm()
    architecture, _, tag = name.partition(".")
    known = library.list_models(pretrained=True) + library.list_models()
    tags = [full.partition(".")[2] for full in known if full.partition(".")[0] == architecture]
    if not library.is_model(architecture) or (tag and tag not in tags):
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"model.backbone: timm has no {name}, and there is no such folder{hint}")
    return name, {}, library.get_pretrained_cfg(name).to_dict()


def _read_config(file: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A model's `config.json`: architecture, arguments, and how images are prepared."""
    try:
        content = io.read_json(file)
        prepared = {**content.get("pretrained_cfg", content)}
        architecture, arguments = str(content["architecture"]), dict(content.get("model_args") or {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"model.backbone: {file} is not the config.json of a timm model: {error!r}") from error
    if not timm().is_model(architecture):
        raise ConfigError(f"model.backbone: {file} names {architecture}, which this timm does not have")
    if foreign := [name for name in FOREIGN if name in arguments]:
        raise ConfigError(f"model.backbone: model_args of {file} must describe the network, got {', '.join(foreign)}")
    return architecture, arguments, prepared


def _describe(
    config: PretrainedConfig, architecture: str, arguments: dict[str, Any], prepared: dict[str, Any], weights: Path
) -> Backbone:
    channels, height, width = _numbers(architecture, prepared, "input_size", (3, 224, 224))
    interpolation = prepared.get("interpolation") or "bicubic"
    if channels != 3:
        raise ConfigError(f"model.backbone: {architecture} must take images of 3 channels, got {channels:g}")
    if height != width and not config.size:
        raise ConfigError(
            f"model.backbone: {architecture} must take square images, got {height:g}×{width:g} pixels; model.size "
            "names another size"
        )
    if interpolation not in FILTERS:
        raise ConfigError(f"model.backbone: interpolation must be one of {', '.join(FILTERS)}, got {interpolation}")
    if prepared.get("fixed_input_size") and config.size:
        arguments = {**arguments, "img_size": config.size}
    return Backbone(
        architecture=architecture,
        arguments={key: value for key, value in arguments.items() if key != "num_classes"},
        mean=_numbers(architecture, prepared, "mean", (0.485, 0.456, 0.406)),
        std=_numbers(architecture, prepared, "std", (0.229, 0.224, 0.225)),
        size=int(height),
        interpolation=interpolation,
        weights=io.sha256_file(weights),
        origin=config.weights or config.backbone,
    )


def _numbers(
    architecture: str, prepared: dict[str, Any], key: str, usual: tuple[float, float, float]
) -> tuple[float, ...]:
    """Three numbers under this key."""
    found = prepared.get(key) or usual
    try:
        first, second, third = (float(value) for value in found)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model.backbone: {key} of {architecture} must be three numbers, got {found}") from error
    return first, second, third


def _own_weights(config: PretrainedConfig) -> Path | None:
    """`model.weights`: a file, a folder, or a package, whose code is not run."""
    if config.weights is None:
        return None
    path = Path(config.weights)
    if path.is_file():
        return path
    if path.is_dir():
        return _only_weights(path)
    package = importlib.util.find_spec(config.weights) if config.weights.isidentifier() else None
    places = list(package.submodule_search_locations or ()) if package else []
    if not places:
        raise ConfigError(f"model.weights must be a file, a folder or an installed package, got {config.weights}")
    return _only_weights(Path(places[0]))


def _only_weights(folder: Path) -> Path:
    for suffix in SUFFIXES:
        if len(found := sorted(folder.rglob(f"*{suffix}"))) == 1:
            return found[0]
        if found:
            raise ConfigError(
                f"{folder} must hold one file of weights, got {', '.join(str(f.relative_to(folder)) for f in found)}; "
                "name one by model.weights"
            )
    raise ConfigError(f"{folder} must hold a file of weights ({', '.join(SUFFIXES)}), got none")


def _of_hub(repository: str, config: PretrainedConfig) -> Path:
    if not repository:
        raise ConfigError(f"timm knows no weights on the hub for {config.backbone}; name a file by model.weights")
    for name in sorted(WEIGHTS, key=lambda name: not is_cached(repository, name)):
        if (file := fetch(repository, name, offline=config.offline)) is not None:
            return file
    raise ConfigError(f"model.backbone: {repository} must hold {' or '.join(WEIGHTS)}, got neither")
