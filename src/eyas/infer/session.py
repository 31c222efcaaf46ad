"""One ONNX Runtime session: how it is set up, and what its graph must look like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state

from eyas.core.errors import BundleError
from eyas.core.machine import usable_cores

INPUT = "images"
OUTPUTS = ("logits", "probabilities", "features")
CAM = "cam"
CHUNK = 64  # images a pass through the graph: activations stay this large however many images come
# ONNX Runtime's errors share no base class of their own.
ORT_ERRORS: tuple[type[Exception], ...] = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoModel,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
)
SILENT = 4  # ONNX Runtime's severity "fatal": its errors reach us as exceptions, not as lines on standard error


class Session:
    """A graph in memory. `run` may be called from several threads at once."""

    def __init__(self, model: Path, threads: int | None = None, optimised: Path | None = None) -> None:
        """Load `model` for the CPU with every graph optimisation.

        Args:
            model: the ONNX file.
            threads: threads inside an operator; where None, the cores that this process may use.
            optimised: what `write_optimised` made of it, to be loaded in its place.

        Raises:
            BundleError: the graph is corrupt, or lacks an input or output that a bundle must have.
        """
        options = _options(threads)
        if optimised:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = _load(optimised or model, options)
        self.model = model
        _check(self._session, model)
        self.has_cam = CAM in _names(self._session.get_outputs())
        """Whether the graph can give class activation maps."""

    @property
    def runtime(self) -> Any:
        """ONNX Runtime's own session, for measuring against."""
        return self._session

    def run(self, images: NDArray[np.uint8], names: Sequence[str] = OUTPUTS) -> dict[str, NDArray[np.float32]]:
        """The named outputs for (N, H, W, C) uint8 images at the graph's size.

        No images are no mistake (an empty folder, no validation split). The graph then runs on one blank image
        whose answer is cut off again: only so are the widths known, and not every operator takes a batch of none.

        Raises:
            BundleError: the graph fails on a valid input.
        """
        if 0 < len(images) <= CHUNK:
            return dict(zip(names, self._outputs(names, images), strict=True))
        batch = images if len(images) else np.zeros((1, *images.shape[1:]), np.uint8)
        chunks = [self._outputs(names, batch[start : start + CHUNK]) for start in range(0, len(batch), CHUNK)]
        joined = chunks[0] if len(chunks) == 1 else [np.concatenate(parts) for parts in zip(*chunks, strict=True)]
        return {name: output[: len(images)] for name, output in zip(names, joined, strict=True)}

    def _outputs(self, names: Sequence[str], images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        try:
            outputs: list[NDArray[np.float32]] = self._session.run(list(names), {INPUT: images})
        except ORT_ERRORS as error:
            raise BundleError(f"the graph {self.model} failed: {error}") from error
        return outputs


def write_optimised(model: Path, folder: Path) -> Path:
    """A graph as it is once it is loaded on this processor, with its weights in a file beside it.

    The weights of such a graph are mapped, not read, and so are in memory once for all processes that load it. Only
    what matrix products take is still a process's own: it is packed as it is loaded.

    Args:
        model: the ONNX file.
        folder: what it is written into.

    Returns:
        The graph, for `Session(model, optimised=…)`. It is for this machine and this version of ONNX Runtime alone.

    Raises:
        BundleError: the graph is corrupt, or cannot be written.
    """
    options = _options(1)
    options.optimized_model_filepath = str(folder / model.name)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    _load(model, options)
    return folder / model.name


def _options(threads: int | None) -> Any:
    """Idle threads sleep instead of spinning, so that a second process finds the cores free."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _load(model: Path, options: Any) -> Any:
    try:
        return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        raise BundleError(f"{model} is not a graph that ONNX Runtime can load: {error}") from error


def _check(session: Any, model: Path) -> None:
    inputs = session.get_inputs()
    if _names(inputs) != [INPUT] or inputs[0].type != "tensor(uint8)":
        found = ", ".join(f"{one.name}: {one.type}" for one in inputs)
        raise BundleError(f"{model} must take one input, {INPUT}: tensor(uint8); it takes {found or 'none'}")
    if missing := [name for name in OUTPUTS if name not in _names(session.get_outputs())]:
        raise BundleError(f"{model} lacks the output {', '.join(missing)}")


def _names(nodes: Any) -> list[str]:
    return [node.name for node in nodes]
