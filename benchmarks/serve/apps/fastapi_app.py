"""FastAPI and pydantic: nested lists are validated as floats. `async` spares each request a thread, which is faster."""

from __future__ import annotations

import numpy as np
from fastapi import FastAPI, Request
from pydantic import BaseModel
from session import Graph

app = FastAPI()
graph = Graph()


class Image(BaseModel):
    data: list[list[list[float]]]


class Answer(BaseModel):
    predictions: list[int]
    probabilities: list[list[float]]


def answer(images: np.ndarray) -> Answer:
    probabilities = graph(images)
    return Answer(predictions=probabilities.argmax(axis=1).tolist(), probabilities=probabilities.tolist())


@app.post("/predict")
async def predict(image: Image) -> Answer:
    return answer(np.asarray([image.data]).astype(np.uint8))


@app.post("/octets")
async def octets(request: Request) -> Answer:
    return answer(np.frombuffer(await request.body(), np.uint8).reshape(1, *graph.shape))
