"""TorchScript and `torch.export` files, looked at, then read and written as ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from eyas.core.errors import BundleError, ConfigError
from eyas.export.graph import OPSET, quiet_exporter
from eyas.foreign.onnx_file import read_onnx
from eyas.foreign.original import Ask, Original
from eyas.foreign.preprocessing import Stated
from eyas.foreign.torch_fence import copy_exported, copy_script

SCRIPT_OPSET = 17
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
    (height, width), channels = stated.size, stated.channels
    shape = (2, height, width, channels) if stated.layout == "nhwc" else (2, channels, height, width)
    free = {"images": {0: "batch"}}
    # The exporter prints the whole graph where it fails.
    with quiet_exporter(), TemporaryDirectory(prefix="eyas-") as folder, torch.no_grad(), redirect_stdout(StringIO()):
        target, checked = Path(folder) / "model.onnx", Path(folder) / "checked.pt"
        copy_script(file, checked)
        try:
            module = torch.jit.load(str(checked), map_location="cpu").eval()  # type: ignore[no-untyped-call]
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
    return Original(graph, _asker(module, graph, file), _made_by(SCRIPT_OPSET, "TorchScript"))


def open_exported(file: Path) -> Original:
    """Load a `torch.export` file, and translate its graph to ONNX.

    Raises:
        UnsafeDataError: more in it than a graph, weights and formulas.
        BundleError: it cannot be loaded, or not be written as ONNX.
    """
    with quiet_exporter(), TemporaryDirectory(prefix="eyas-") as folder:
        target, checked = Path(folder) / "model.onnx", Path(folder) / "checked.pt2"
        copy_exported(file, checked)
        try:
            program = torch.export.load(checked)
            torch.onnx.export(program, f=target, opset_version=OPSET, external_data=False, verbose=False)
        except (torch.onnx.errors.OnnxExporterError, torch._dynamo.exc.TorchDynamoException, *TORCH_ERRORS) as error:
            raise BundleError(f"{file} cannot be loaded and written as ONNX: {_first(error)}") from error
        graph = read_onnx(target)
        module = program.module()
    return Original(graph, _asker(module, graph, file), _made_by(OPSET, "torch.export"))


def _asker(module: torch.nn.Module, graph: ModelProto, file: Path) -> Ask:
    names = [one.name for one in graph.graph.output]

    def ask(batch: NDArray[np.generic]) -> Mapping[str, NDArray[np.generic]]:
        with torch.no_grad(), quiet_exporter():
            try:
                found = torch.utils._pytree.tree_leaves(module(torch.from_numpy(batch)))
                leaves = [_array(leaf) for leaf in found if isinstance(leaf, torch.Tensor)]
            except TORCH_ERRORS as error:
                raise BundleError(f"{file} fails on images of {batch.shape}: {_first(error)}") from error
        return dict(zip(names, leaves, strict=False))

    return ask


def _array(found: torch.Tensor) -> NDArray[np.generic]:
    """NumPy has no bfloat16."""
    values: NDArray[np.generic] = (found.float() if found.dtype == torch.bfloat16 else found).numpy()
    return values


def _made_by(opset: int, what: str) -> str:
    return f"{what}, read by PyTorch {version('torch')}, ONNX opset {opset}"


def _first(error: Exception) -> str:
    """The first line of what PyTorch says, which says much."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
