"""What the files of a source are, row by row: enough to check them without reading them again."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyas.core.io import write_bytes
from eyas.data import cache
from eyas.data.pixels import Result
from eyas.data.sources import Contents, PartName


@dataclass(frozen=True)
class Survey:
    """The rows of a source and what decoding met."""

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    """(M,) class indices."""
    names: Sequence[str]
    """(M,) file names."""
    parts: Mapping[PartName, range]
    ignored: Sequence[str]
    sizes: NDArray[np.int32]
    """(M, 2) height and width as stored; 0 where unreadable."""
    grey: NDArray[np.bool_]
    """(M,)"""
    digests: NDArray[np.uint8]
    """(M, 32) SHA-256 of the pixels as stored."""
    failures: Mapping[int, str]
    """Row → why it cannot be read."""
    max_pixels: int
    """The limit under which the images were decoded."""

    @classmethod
    def of(cls, contents: Contents, result: Result, max_pixels: int) -> Survey:
        """Both halves together."""
        return cls(
            contents.classes,
            contents.labels,
            contents.names,
            contents.parts,
            contents.ignored,
            result.sizes,
            result.grey,
            result.digests,
            {row: failure.message for row, failure in result.failures.items()},
            max_pixels,
        )


def save_survey(key: str, survey: Survey) -> None:
    """Keep the survey of this content."""
    words = {
        "classes": survey.classes,
        "names": list(survey.names),
        "parts": {part: [rows.start, rows.stop] for part, rows in survey.parts.items()},
        "ignored": list(survey.ignored),
        "max_pixels": survey.max_pixels,
        "failures": {str(row): reason for row, reason in survey.failures.items()},
    }
    file = io.BytesIO()
    np.savez(
        file,
        labels=survey.labels,
        sizes=survey.sizes,
        grey=survey.grey,
        digests=survey.digests,
        words=np.frombuffer(json.dumps(words).encode(), np.uint8),
    )
    write_bytes(cache.survey_path(key), file.getvalue())


def read_survey(key: str) -> Survey | None:
    """The survey kept for this content, or None."""
    try:
        with np.load(cache.survey_path(key), allow_pickle=False) as kept:
            words = json.loads(kept["words"].tobytes())
            return Survey(
                tuple(words["classes"]),
                kept["labels"],
                words["names"],
                {part: range(start, stop) for part, (start, stop) in words["parts"].items()},
                words["ignored"],
                kept["sizes"],
                kept["grey"],
                kept["digests"],
                {int(row): reason for row, reason in words["failures"].items()},
                words["max_pixels"],
            )
    except (OSError, ValueError, EOFError, KeyError):
        return None
