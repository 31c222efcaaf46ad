"""What is kept: a prediction, the image it was made from, the true label that comes later; and the rules of each."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import InputError

Arm = Literal["champion", "challenger", "shadow"]
ARMS: tuple[str, ...] = get_args(Arm)
MOST_CHARACTERS = 200
"""Of any text but an image's content."""
FLOAT32 = 4
LARGEST_CLASS = 2**31 - 1


class Prediction(NamedTuple):
    """One answer to one image: a tuple, because thousands a second are made.

    One image has one id, under which each arm and version that looked at it keeps an answer of its own: a shadow's
    stands beside the champion's, and one true label counts for both.
    """

    id: str
    time: float
    """Unix seconds."""
    model: str
    version: str
    arm: Arm
    predicted: int
    """Index in [0, K)."""
    confidence: float
    """In [0, 1]."""
    scores: bytes
    """K probabilities, little-endian float32: `pack_scores`."""
    needs_review: bool
    unknown: bool
    energy: float | None
    """NaN is kept as None."""
    distance: float | None
    """Of the features to the predicted class; None where the bundle has no features. NaN is kept as None."""
    latency_ms: float

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(K,), read-only."""
        return np.frombuffer(self.scores, "<f4")


@dataclass(frozen=True, slots=True)
class Image:
    """The image of a prediction, as it came. The first one of an id stays.

    Raises:
        InputError: the content is no bytes.
    """

    id: str
    time: float
    """Unix seconds, from which its retention counts."""
    media_type: str
    content: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.content, bytes):
            raise InputError(f"an image's content must be bytes, got {type(self.content).__name__}")


@dataclass(frozen=True, slots=True)
class Feedback:
    """What an image truly shows. Of several for one id, the one with the latest time holds."""

    id: str
    true_class: int
    time: float
    """Unix seconds."""
    source: str = ""
    """Who or what says so."""


Record: TypeAlias = Prediction | Image | Feedback


def pack_scores(probabilities: NDArray[Any]) -> bytes:
    """(K,) probabilities as they are kept: K little-endian float32."""
    return probabilities.astype("<f4").tobytes()


def pack_all_scores(probabilities: NDArray[Any]) -> list[bytes]:
    """As `pack_scores`, of each row of (n, K)."""
    packed, size = pack_scores(probabilities), FLOAT32 * probabilities.shape[1]
    return [packed[start : start + size] for start in range(0, len(packed), size)]


def prediction_values(row: Prediction) -> tuple[object, ...]:
    """The row's values in the order of its fields, as both databases take them.

    Raises:
        InputError: it breaks a rule.
    """
    _require_text(row, "id", "model", "version")
    _require_finite(row, "time", "confidence", "latency_ms")
    if row.arm not in ARMS:
        raise InputError(f"arm must be one of {', '.join(ARMS)}, got {row.arm!r}")
    classes = len(row.scores) / FLOAT32
    if classes < 1 or not classes.is_integer():
        raise InputError(f"scores must be 1 or more float32, got {len(row.scores)} bytes")
    if not 0 <= row.predicted < classes:
        raise InputError(f"predicted must be in [0, {classes:.0f}), got {row.predicted}")
    if not 0 <= row.confidence <= 1:
        raise InputError(f"confidence must be in [0, 1], got {row.confidence}")
    return (
        *(row.id, float(row.time), row.model, row.version, row.arm, int(row.predicted), float(row.confidence)),
        *(bytes(row.scores), bool(row.needs_review), bool(row.unknown)),
        *(_number_or_none(row.energy), _number_or_none(row.distance), float(row.latency_ms)),
    )


def image_values(row: Image) -> tuple[object, ...]:
    """As `prediction_values`.

    Raises:
        InputError: it breaks a rule.
    """
    _require_text(row, "id", "media_type")
    _require_finite(row, "time")
    return row.id, float(row.time), row.media_type, bytes(row.content)


def feedback_values(row: Feedback) -> tuple[object, ...]:
    """As `prediction_values`. Whether the model has such a class is for the caller to know.

    Raises:
        InputError: it breaks a rule.
    """
    _require_text(row, "id")
    _require_text(row, "source", least=0)
    _require_finite(row, "time")
    if not 0 <= row.true_class <= LARGEST_CLASS:
        raise InputError(f"true_class must be in [0, {LARGEST_CLASS}], got {row.true_class}")
    return row.id, int(row.true_class), float(row.time), row.source


def read_prediction(values: tuple[Any, ...]) -> Prediction:
    """What `prediction_values` gave, back from a database; SQLite has 0 and 1 for booleans."""
    scores, needs_review, unknown = values[7:10]
    return Prediction(*(*values[:7], bytes(scores), bool(needs_review), bool(unknown), *values[10:]))


def _require_text(row: Record, *names: str, least: int = 1) -> None:
    for name in names:
        text = getattr(row, name)
        if not isinstance(text, str) or not least <= len(text) <= MOST_CHARACTERS or not _is_utf8(text):
            rule = f"{least} to {MOST_CHARACTERS} characters of Unicode without NUL"
            raise InputError(f"{name} must be {rule}, got {text!r:.80}")


def _is_utf8(text: str) -> bool:
    """PostgreSQL keeps no NUL, and neither database half of a surrogate pair."""
    return "\0" not in text and (text.isascii() or text.encode(errors="replace").decode() == text)


def _require_finite(row: Record, *names: str) -> None:
    for name in names:
        if not isfinite(getattr(row, name)):
            raise InputError(f"{name} must be a finite number, got {getattr(row, name)}")


def _number_or_none(number: float | None) -> float | None:
    """SQLite has no NaN: it would keep NULL."""
    return None if number is None or isnan(number) else float(number)
