"""LitServe: two workers on the CPU, as many processes for HTTP as it takes by itself."""

from __future__ import annotations

import os
import sys

import litserve as ls
import numpy as np
from session import Graph


class Classifier(ls.LitAPI):
    def setup(self, device: str) -> None:
        self.graph = Graph()

    def decode_request(self, request: dict) -> np.ndarray:
        return np.asarray([request["data"]], np.uint8)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return self.graph(images)

    def encode_response(self, probabilities: np.ndarray) -> dict:
        return {"predictions": probabilities.argmax(axis=1).tolist(), "probabilities": probabilities.tolist()}


if __name__ == "__main__":
    server = ls.LitServer(Classifier(), accelerator="cpu", workers_per_device=int(os.environ["WORKERS"]), timeout=False)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
