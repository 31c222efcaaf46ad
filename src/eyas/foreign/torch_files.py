"""TorchScript and `torch.export` files, read and written as ONNX.

What they hold is a program. Before PyTorch opens one, what such a program has no need of is looked for and refused:
pickles, compiled libraries, functions beside PyTorch's operators, formulas that are more than arithmetic, and the
operators that read and write files. That is a fence and no proof: open files only of makers whom you trust.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from eyas.core.errors import BundleError, ConfigError, UnsafeDataError
from eyas.export.graph import OPSET, quiet_exporter
from eyas.foreign.onnx_file import read_onnx
from eyas.foreign.original import Original
from eyas.foreign.preprocessing import Stated

SCRIPT_OPSET = 17
TOUCHES_FILES = re.compile(r"\b(?:from_file|save|load)\s*\(|\bops\.(?!aten\b|prim\b|quantized\b)\w+")
TARGETS = re.compile(r"torch\.ops\.(?:aten|prims|higher_order)\.|_operator\.\w+$|torch\.sym_\w+$|math\.\w+$")
MEMBERS = re.compile(
    r"(?:data/(?:weights|constants|sample_inputs)/[\w.]+|models/model\.json|extra/.*|\.data/\w+|archive_format|"
    r"archive_version|byteorder|version)$"
)
SYMBOLS = re.compile(r"Symbol\('[suz]\d+'|L\['\w+'\]")
FORMULA_NAMES = re.compile(r"(?:[A-Z]\w*|[suz]\d+|size|stride|and|or|not|positive|nonnegative|integer|real|finite)$")
TREES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
TORCH_ERRORS = (RuntimeError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError, AssertionError)


def open_torchscript(file: Path, stated: Stated) -> Original:
    """Load it in the interpreter of TorchScript, and trace it to ONNX by an example of the stated shape.

    Raises:
        UnsafeDataError: its code reads or writes files, or calls others' operators.
        ConfigError: its input's size or channels are not stated.
        BundleError: it cannot be loaded, or not be written as ONNX.
    """
    if not (stated.size and stated.channels):
        raise ConfigError("a TorchScript file does not say what it takes; state --size and --channels")
    _check_script(file)
    (height, width), channels = stated.size, stated.channels
    shape = (2, height, width, channels) if stated.layout == "nhwc" else (2, channels, height, width)
    free = {"images": {0: "batch"}}
    with quiet_exporter(), TemporaryDirectory(prefix="eyas-") as folder, torch.no_grad():
        target = Path(folder) / "model.onnx"
        try:
            module = torch.jit.load(str(file), map_location="cpu").eval()
            torch.onnx.export(
                module,
                (torch.zeros(shape),),
                target,
                dynamo=False,
                input_names=["images"],
                dynamic_axes=free,
                opset_version=SCRIPT_OPSET,
            )
        except (torch.onnx.errors.OnnxExporterError, *TORCH_ERRORS) as error:
            raise BundleError(f"{file} cannot be written as ONNX for images of {shape}: {_first(error)}") from error
        graph = read_onnx(target)
    return Original("torchscript", graph, _asker(module, graph, file), _made_by(SCRIPT_OPSET, "TorchScript"))


def open_exported(file: Path) -> Original:
    """Load a `torch.export` file, and translate its graph to ONNX.

    Raises:
        UnsafeDataError: more in it than a graph, weights and formulas.
        BundleError: it cannot be loaded, or not be written as ONNX.
    """
    _check_exported(file)
    with quiet_exporter(), TemporaryDirectory(prefix="eyas-") as folder:
        target = Path(folder) / "model.onnx"
        try:
            with file.open("rb") as stream:
                program = torch.export.load(stream)
            torch.onnx.export(program, f=target, opset_version=OPSET, external_data=False, verbose=False)
        except (torch.onnx.errors.OnnxExporterError, torch._dynamo.exc.TorchDynamoException, *TORCH_ERRORS) as error:
            raise BundleError(f"{file} cannot be loaded and written as ONNX: {_first(error)}") from error
        graph = read_onnx(target)
        module = program.module()
    return Original("torch-export", graph, _asker(module, graph, file), _made_by(OPSET, "torch.export"))


def _asker(module: torch.nn.Module, graph: ModelProto, file: Path) -> Any:
    names = [one.name for one in graph.graph.output]

    def ask(batch: NDArray[np.generic]) -> Mapping[str, NDArray[np.generic]]:
        with torch.no_grad(), quiet_exporter():
            try:
                found = module(torch.from_numpy(batch))
            except TORCH_ERRORS as error:
                raise BundleError(f"{file} fails on images of {batch.shape}: {_first(error)}") from error
        leaves = [leaf for leaf in torch.utils._pytree.tree_leaves(found) if isinstance(leaf, torch.Tensor)]
        return {name: leaf.numpy() for name, leaf in zip(names, leaves, strict=False)}

    return ask


def _made_by(opset: int, what: str) -> str:
    return f"{what}, read by PyTorch {version('torch')}, ONNX opset {opset}"


def _first(error: Exception) -> str:
    """The first line of what PyTorch says, which says much."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _check_script(file: Path) -> None:
    with ZipFile(file) as archive:
        for name in archive.namelist():
            if name.endswith(".py") and (found := TOUCHES_FILES.search(archive.read(name).decode(errors="replace"))):
                raise UnsafeDataError(
                    f"{file} may compute and no more, and its code {name} has {found.group().rstrip('( ')!r}, which "
                    "reads or writes files or calls a library of its own"
                )


def _check_exported(file: Path) -> None:
    with ZipFile(file) as archive:
        names = archive.namelist()
        if "serialized_exported_program.json" in names:
            raise BundleError(f"{file} has the form of PyTorch 2.7 and before; write it anew with torch.export.save")
        for name in names:
            inside = name.partition("/")[2]
            if not MEMBERS.match(inside):
                raise UnsafeDataError(f"{file} must hold one graph with its weights and no more, got {name}")
            if inside.endswith("_config.json"):
                _check_pickles(file, json.loads(archive.read(name)))
            if inside == "models/model.json":
                _check_program(file, json.loads(archive.read(name)))


def _check_pickles(file: Path, config: Any) -> None:
    for name, one in config["config"].items():
        if one.get("use_pickle"):
            raise UnsafeDataError(f"{file} holds {name} as a pickle, which may run any code when it is opened")


def _check_program(file: Path, program: Any) -> None:
    for key, value in _leaves(program):
        if key == "target" and not TARGETS.match(value):
            raise UnsafeDataError(f"{file} may call PyTorch's own operators and no more, got {value!r}")
        if key in ("expr_str", "guards_code") and not _is_arithmetic(value):
            raise UnsafeDataError(f"{file} may hold formulas of sizes and no more, got {value!r}")
        if key in ("in_spec", "out_spec") and not _is_plain(json.loads(value)[1]):
            raise UnsafeDataError(f"{file} must take and give tensors, tuples, lists and dicts, got {value!r}")


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in it, with the key that it or its list has."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    elif isinstance(value, str):
        yield key, value


def _is_arithmetic(text: str) -> bool:
    bare = SYMBOLS.sub("(", text)
    names = re.findall(r"[A-Za-z_]\w*", bare)
    return not re.search(r"['\"\\{}@:;]", bare) and all(FORMULA_NAMES.match(name) for name in names)


def _is_plain(spec: Any) -> bool:
    return spec["type"] in TREES and all(_is_plain(inner) for inner in spec["children_spec"])
