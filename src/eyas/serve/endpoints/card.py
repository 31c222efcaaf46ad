"""What a bundle says of its model at length: the card, and how it did on the held-out images."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Bundle
from eyas.bundle.folder import CARD
from eyas.serve.endpoints.which import WHICH, which
from eyas.serve.http import Answer, Endpoint, Request
from eyas.serve.model import Model
from eyas.serve.service import Service

BINS = 10


class ReliabilityBin(msgspec.Struct):
    """Held-out images whose prediction has about the same confidence."""

    low: float
    """Their confidence is above this."""
    high: float
    """And at most this."""
    images: int
    confidence: float
    """On average."""
    accuracy: float
    """Share of right predictions."""


class ModelCard(msgspec.Struct):
    """A model, as its bundle tells it."""

    name: str
    version: str
    card: str
    """Markdown."""
    outputs: tuple[str, ...]
    """Of the graph; with `cam` it can explain itself."""
    dataset_images: dict[str, int]
    """Images in each split."""
    calibration_images: int
    """Behind the temperature and the conformal threshold."""
    coverage_measured: float | None
    """Share of the test split whose conformal set holds the true class."""
    held_out: int
    """Images behind `confusion`."""
    confusion: list[list[int]]
    """Each three numbers: true class, predicted class, held-out images; pairs that never were are not there."""
    reliability: list[ReliabilityBin]
    """Empty where the bundle does not tell the confidence of single images."""


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """The one endpoint."""
    known: WeakKeyDictionary[Model, bytes] = WeakKeyDictionary()

    async def card(request: Request) -> Answer:
        model = service.find(request, *which(request))
        if model not in known:
            known[model] = await asyncio.to_thread(_encoded, model)
        return Answer(known[model])

    what = "What does its card say, and how did it do on the images that were held out?"
    return (Endpoint("GET", "/model-card", what, card, ModelCard, errors=(404, 500, 503), query=WHICH),)


def _encoded(model: Model) -> bytes:
    return msgspec.json.encode(_read(model.bundle, model.name))


def _read(bundle: Bundle, name: str) -> ModelCard:
    manifest, reference = bundle.manifest, bundle.reference()
    confusion = reference["confusion"]
    true, predicted = np.nonzero(confusion)
    counts = confusion[true, predicted]
    return ModelCard(
        name=name,
        version=manifest.version,
        card=(bundle.path / CARD).read_text(encoding="utf-8"),
        outputs=manifest.outputs,
        dataset_images=manifest.dataset.images,
        calibration_images=manifest.conformal.images,
        coverage_measured=manifest.conformal.measured,
        held_out=int(confusion.sum()),
        confusion=np.stack([true, predicted, counts], axis=1).tolist(),
        reliability=_reliability(reference),
    )


def _reliability(reference: dict[str, NDArray[Any]]) -> list[ReliabilityBin]:
    """Bins of equal width that hold images (Guo et al. 2017, eq. 2 and the text around it)."""
    if "row_confidence" not in reference:
        return []
    confidence = reference["row_confidence"].astype(np.float64)
    right = reference["row_label"] == reference["row_predicted"]
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return [
        ReliabilityBin(
            low=b / BINS,
            high=(b + 1) / BINS,
            images=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
        )
        for b in range(BINS)
        if (inside := place == b).any()
    ]
