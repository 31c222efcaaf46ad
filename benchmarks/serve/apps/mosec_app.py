"""mosec: HTTP in Rust, two processes of Python behind it; JSON is read in them."""

from __future__ import annotations

import os
import sys

import numpy as np
from mosec import Server, Worker
from session import Graph


class Classifier(Worker):
    def __init__(self) -> None:
        self.graph = Graph()

    def forward(self, data: dict) -> dict:
        probabilities = self.graph(np.asarray([data["data"]], np.uint8))
        return {"predictions": probabilities.argmax(axis=1).tolist(), "probabilities": probabilities.tolist()}


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "--address", "127.0.0.1", "--port", sys.argv[-1], "--log-level", "error"]
    server = Server()
    server.append_worker(Classifier, num=int(os.environ["WORKERS"]))
    server.run()
