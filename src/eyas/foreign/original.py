"""The model as it came: what the bundle is held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto

from eyas.core.errors import BundleError
from eyas.core.machine import usable_cores
from eyas.foreign.entry import Entry
from eyas.foreign.preprocessing import Reading
from eyas.infer.session import CHUNK, ORT_ERRORS, SILENT

Outputs = dict[str, NDArray[np.float32]]
Ask = Callable[[NDArray[np.generic]], Mapping[str, NDArray[np.generic]]]
"""One batch as the model takes it → its outputs by name."""
FLOATS = ("float32", "float16", "float64")


@dataclass(frozen=True)
class Original:
    """A model's file, untouched, ready to be asked."""

    graph: ModelProto
    """What the bundle's graph is made from."""
    ask: Ask
    framework: str


@dataclass(frozen=True)
class Asked:
    """The untouched model with its input known."""

    ask: Ask
    entry: Entry
    size: tuple[int, int]
    """Height, width of the images that it is asked with; it sees their centre where they are larger."""

    @property
    def begin(self) -> tuple[int, int]:
        """The row and column where the centre begins."""
        return (self.size[0] - self.entry.height) // 2, (self.size[1] - self.entry.width) // 2

    def run(self, images: NDArray[np.uint8], reading: Reading) -> Outputs:
        """Its floating outputs, all that have a row for each image.

        A model for a fixed number of images is asked with so many at a time, the last ones repeated to fill up.

        Args:
            images: (N, H, W, C) uint8, N ≥ 1, of `size`.
            reading: how bytes are read.
        """
        parts, size, (top, left) = [], self.entry.batch or CHUNK, self.begin
        seen = images[:, top : top + self.entry.height, left : left + self.entry.width]
        for start in range(0, len(seen), size):
            some = seen[start : start + size]
            filled = np.resize(some, (size, *some.shape[1:])) if self.entry.batch else some
            answers = self.ask(self.entry.arrange(reading.apply(filled)))
            parts.append({name: values[: len(some)] for name, values in answers.items() if _has_rows(values, filled)})
        if not parts[0]:
            raise BundleError("the model must give floating numbers for each image, and gives none")
        return {name: np.concatenate([part[name] for part in parts]).astype(np.float32) for name in parts[0]}


def open_session(file: Path) -> Ask:
    """An ONNX file in ONNX Runtime, as it is.

    Raises:
        BundleError: ONNX Runtime cannot load it.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        raise BundleError(f"{file} is not a model that ONNX Runtime can load: {error}") from error
    names = [one.name for one in session.get_outputs()]

    def ask(batch: NDArray[np.generic]) -> Mapping[str, NDArray[np.generic]]:
        (entry,) = session.get_inputs()
        try:
            answers = dict(zip(names, session.run(names, {entry.name: batch}), strict=True))
        except ORT_ERRORS as error:
            raise BundleError(f"{file} fails on images of {batch.shape}: {error}") from error
        return {name: values for name, values in answers.items() if isinstance(values, np.ndarray)}

    return ask


def _has_rows(values: NDArray[np.generic], images: NDArray[np.uint8]) -> bool:
    return str(values.dtype) in FLOATS and values.ndim >= 1 and len(values) == len(images)
