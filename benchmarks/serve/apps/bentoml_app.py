"""BentoML: a service of two workers; the array is validated by its type and shape."""

from __future__ import annotations

import os

import bentoml
import numpy as np
from session import Graph


@bentoml.service(workers=int(os.environ["WORKERS"]), logging={"access": {"enabled": False}})
class Classifier:
    def __init__(self) -> None:
        self.graph = Graph()

    @bentoml.api
    def predict(self, data: np.ndarray) -> dict:
        probabilities = self.graph(data.astype(np.uint8)[None])
        return {"predictions": probabilities.argmax(axis=1).tolist(), "probabilities": probabilities.tolist()}
