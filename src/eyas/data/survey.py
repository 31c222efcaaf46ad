"""What the files of a source are, row by row: enough to check them without reading them again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

import numpy as np

from eyas.arrays import load_arrays
from eyas.core.io import write_with
from eyas.data import cache
from eyas.data.decode_one import Failure
from eyas.data.decoding import Inspection, inspect
from eyas.data.sources import Listing, Source
from eyas.data.writing import writing_cache


@dataclass(frozen=True)
class Survey(Listing, Inspection):
    """The rows of a source and what decoding met."""

    max_pixels: int
    """The limit under which the images were decoded."""

    @classmethod
    def of(cls, listing: Listing, inspection: Inspection, max_pixels: int) -> Survey:
        """Both halves together."""
        halves = ((listing, Listing), (inspection, Inspection))
        values = {field.name: getattr(half, field.name) for half, kind in halves for field in fields(kind)}
        return cls(**values, max_pixels=max_pixels)

    def holds_for(self, max_pixels: int) -> bool:
        """Whether looking again under this limit would find the same."""
        return self.max_pixels == max_pixels and all(failure.lasting for failure in self.failures.values())


def take_survey(source: Source, max_pixels: int) -> Survey:
    """What the files are; read now where it is not known from an earlier look, or the limit on pixels differs.

    Raises:
        DataError: the source changes meanwhile, or the cache cannot be written.
    """
    signature = source.signature()
    key = cache.content_key(source, signature)
    if (known := read_survey(key)) and known.holds_for(max_pixels):
        return known
    contents = source.contents()
    survey = Survey.of(contents, inspect(source.name, contents, max_pixels), max_pixels)
    cache.refuse_changed(source, signature)
    with writing_cache():
        save_survey(key, survey)
    return survey


def save_survey(key: str, survey: Survey) -> None:
    """Keep the survey of this content."""
    words = {
        "classes": survey.classes,
        "names": list(survey.names),
        "parts": {part: [rows.start, rows.stop] for part, rows in survey.parts.items()},
        "ignored": list(survey.ignored),
        "max_pixels": survey.max_pixels,
        "failures": {str(row): asdict(failure) for row, failure in survey.failures.items()},
    }
    arrays = {name: getattr(survey, name) for name in ("labels", "sizes", "grey", "digests")}
    arrays["words"] = np.frombuffer(json.dumps(words).encode(), np.uint8)
    write_with(cache.survey_path(key), lambda stream: np.savez(stream, **arrays))


def read_survey(key: str) -> Survey | None:
    """The survey kept for this content, or None."""
    try:
        kept = load_arrays(cache.survey_path(key))
        words = json.loads(kept["words"].tobytes())
        return Survey(
            classes=tuple(words["classes"]),
            labels=kept["labels"],
            names=words["names"],
            parts={part: range(start, stop) for part, (start, stop) in words["parts"].items()},
            ignored=words["ignored"],
            sizes=kept["sizes"],
            grey=kept["grey"],
            digests=kept["digests"],
            failures={int(row): Failure(**failure) for row, failure in words["failures"].items()},
            max_pixels=words["max_pixels"],
        )
    except (ValueError, KeyError, TypeError):
        return None
