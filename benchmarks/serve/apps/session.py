"""The graph in ONNX Runtime, the same for every peer written in Python: one thread, which does not spin."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime as ort


class Graph:
    """(N, H, W, C) uint8 → (N, K) float32."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.shape = tuple(self._session.get_inputs()[0].shape[1:])

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self._session.run(["probabilities"], {"images": images})[0]
