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
    unknown: bool | None
    """The image is like no held-out one; None where the bundle or the service cannot tell."""
    id: str
    """Under which the service takes its true label."""


@dataclass(frozen=True)
class Answer:
    """The predictions of N images, in the order sent; a loop over it, or an index, gives an `ImageAnswer` each."""

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
        fields = (self.predictions, self.confidence, self.probabilities, self.labels, self.needs_review, self.unknown)
        if len({len(field) for field in fields if field is not None}) > 1:
            raise ValueError("an answer's lists must be as long as each other")

    def __len__(self) -> int:
        return len(self.predictions)

    def __iter__(self) -> Iterator[ImageAnswer]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, row: int) -> ImageAnswer:
        """Of one image; as of a tuple, -1 is the last."""
        return ImageAnswer(
            self.predictions[row],
            self.labels[row],
            self.confidence[row],
            self.probabilities[row],
            self.needs_review[row],
            None if self.unknown is None else self.unknown[row],
            self.ids[row],
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """Of each image: the answer's own where it is of one, else that with `-0`, `-1`, … behind it."""
        return (self.id,) if len(self) == 1 else tuple(f"{self.id}-{row}" for row in range(len(self)))
