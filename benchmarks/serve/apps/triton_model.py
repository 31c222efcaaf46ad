"""Triton's Python backend, as its documentation has it: requests that came together are run as one batch."""

from __future__ import annotations

import os
import sys

sys.path[:0] = os.environ["MODULES"].split(os.pathsep)
import numpy as np  # noqa: E402
import triton_python_backend_utils as pb_utils  # noqa: E402
from session import Graph  # noqa: E402


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self.graph = Graph()

    def execute(self, requests: list) -> list:
        parts = [pb_utils.get_input_tensor_by_name(request, "images").as_numpy() for request in requests]
        probabilities = self.graph(np.concatenate(parts))
        ends = np.cumsum([len(part) for part in parts])
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("probabilities", probabilities[end - len(part) : end])])
            for part, end in zip(parts, ends, strict=True)
        ]
