"""Saved Keras models, read safely: what could run code of the file's own is refused before Keras sees it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eyas.core.errors import ConfigError
from eyas.nn.from_keras.library import input_shape_in_a_layer, keras_on_torch

HDF5 = (".h5", ".hdf5")
SAVED = (".keras", *HDF5, ".json")
# Layers and operations that compute whatever their configuration says.
OPEN = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
# More than any architecture needs, and less than would harm.
MOST_BYTES = 64 << 20


def read_saved(file: Path) -> Any:
    """The model of a `.keras` or `.h5` file with its weights, or of a `.json` architecture without.

    Raises:
        ConfigError: no such file, none that Keras can read, or one with Lambda layers or custom objects.
    """
    keras = keras_on_torch()
    if not file.is_file():
        raise ConfigError(f"no such file {file}")
    text = _architecture(file)
    require_safe(text, file)
    try:
        if file.suffix == ".json":
            return keras.models.model_from_json(text)
        with input_shape_in_a_layer():
            return keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:
        raise ConfigError(f"{file} cannot be read by Keras {keras.__version__}: {_told(error)}") from error


def load_weights(model: Any, file: Path) -> None:
    """Give a built model the weights of a `.weights.h5` file, or of a whole saved `.h5`.

    Raises:
        ConfigError: no such file, or weights of another model.
    """
    if not file.is_file():
        raise ConfigError(f"no such file {file}")
    try:
        model.load_weights(file)
    except Exception as error:
        raise ConfigError(f"the weights in {file} do not fit {model.name}: {_told(error)}") from error


def require_safe(text: str, file: Path) -> None:
    """Refuse an architecture with objects that are not Keras's own, or that may compute anything.

    Raises:
        ConfigError: names the layer.
    """
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{file} holds no architecture that can be read: {error}") from error
    for kind, name, module, registered in _objects(found, ""):
        layer = f"layer {name!r}" if name else "an object"
        if kind in OPEN:
            raise ConfigError(
                f"{file}: {layer} is a {kind} layer, which runs code from the file, and is refused; build the model "
                "in a Python file of your own instead (keras:file.py:build) and give its weights"
            )
        if module.split(".")[0] not in ("", "keras", "builtins") or registered or kind in ("function", "__lambda__"):
            raise ConfigError(
                f"{file}: {layer} is a custom object ({registered or kind}), whose code the file does not hold; "
                "build the model in a Python file instead (keras:file.py:build) and give its weights"
            )


def _objects(value: Any, name: str) -> Iterator[tuple[str, str, str, str]]:
    """Kind, name of the layer, module, and registered name of each object in an architecture.

    A registered name such as `my>Layer` is given only where it is not Keras's own.
    """
    if isinstance(value, list):
        for item in value:
            yield from _objects(item, name)
        return
    if not isinstance(value, dict):
        return
    if isinstance(kind := value.get("class_name"), str):
        config = value.get("config")
        own = config.get("name") if isinstance(config, dict) else None
        name = own if isinstance(own, str) else name
        registered = value.get("registered_name")
        custom = isinstance(registered, str) and registered not in (kind, "") and not _is_keras(value)
        yield kind, name, str(value.get("module") or ""), str(registered) if custom else ""
    for item in value.values():
        yield from _objects(item, name)


def _is_keras(value: dict[str, Any]) -> bool:
    return str(value.get("module") or "").split(".")[0] == "keras"


def _architecture(file: Path) -> str:
    """The architecture as JSON, read without Keras."""
    try:
        if file.suffix == ".json":
            return file.read_text(encoding="utf-8")
        if file.suffix in HDF5:
            return _of_hdf5(file)
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo("config.json").file_size > MOST_BYTES:
                raise ConfigError(f"{file}: its config.json is larger than {MOST_BYTES:,} bytes")
            return archive.read("config.json").decode()
    except (OSError, KeyError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        hint = "; a TensorFlow SavedModel folder is read by TensorFlow alone" if file.is_dir() else ""
        raise ConfigError(f"{file} is not a saved Keras model: {_told(error)}{hint}") from error


def _of_hdf5(file: Path) -> str:
    import h5py

    with h5py.File(file, "r") as opened:
        text = opened.attrs.get("model_config")
    if text is None:
        raise ConfigError(
            f"{file} holds weights without an architecture; build the model in a Python file and give them: "
            f"eyas import keras builder.py:build --weights {file.name}"
        )
    return text.decode() if isinstance(text, bytes) else str(text)


def _told(error: BaseException) -> str:
    """What Keras says, of which the last exception is the one that explains."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    inner = [line for line in lines if line.startswith("Exception encountered:")]
    return (inner[-1] if inner else " ".join(lines))[:400] or type(error).__name__
