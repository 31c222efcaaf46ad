"""What a service says of images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageAnswer:
    """What one image is."""

    prediction: int
    """Index of the most probable class."""
    label: str
    """Its name."""
    confidence: float
    """Its probability."""
    probabilities: tuple[float, ...]
    """Of every class; their sum is 1."""
    needs_review: bool
    """The conformal set holds no class or several: a person should look."""
    unknown: bool | None = None
    """The image is like no held-out one; None where the bundle or the service cannot tell."""


@dataclass(frozen=True)
class Answer:
    """The predictions of N images, in the order sent; a loop over it gives an `ImageAnswer` each."""

    predictions: tuple[int, ...]
    """Index of the most probable class."""
    confidence: tuple[float, ...]
    """Probability of that class."""
    probabilities: tuple[tuple[float, ...], ...]
    """N rows of K; each sums to 1."""
    labels: tuple[str, ...]
    """Name of the most probable class."""
    needs_review: tuple[bool, ...]
    """The conformal set holds no class or several: a person should look."""
    version: str
    """Of the bundle that answered."""
    id: str
    """Of this answer."""
    unknown: tuple[bool, ...] | None = None
    """The image is like no held-out one; None where the bundle or the service cannot tell."""

    def __post_init__(self) -> None:
        fields = (self.predictions, self.confidence, self.probabilities, self.labels, self.needs_review, self._unknown)
        if len({len(field) for field in fields}) > 1:
            raise ValueError("an answer's lists must be as long as each other")

    def __len__(self) -> int:
        return len(self.predictions)

    def __iter__(self) -> Iterator[ImageAnswer]:
        fields = (self.predictions, self.labels, self.confidence, self.probabilities, self.needs_review, self._unknown)
        return (ImageAnswer(*values) for values in zip(*fields, strict=True))

    @property
    def _unknown(self) -> tuple[bool | None, ...]:
        return (None,) * len(self) if self.unknown is None else self.unknown
