"""Which predictions a question is about, and where a page of them ends."""

from __future__ import annotations

from dataclasses import dataclass

from eyas.core.errors import InputError

Clauses = tuple[str, list[object]]
"""SQL about `eyas_predictions p`, and the values of its marks."""
IMAGE = "EXISTS (SELECT 1 FROM eyas_images i WHERE i.id = p.id)"


@dataclass(frozen=True)
class Filter:
    """All that is given must hold; None asks nothing."""

    model: str | None = None
    version: str | None = None
    arm: str | None = None
    predicted: int | None = None
    true_class: int | None = None
    labelled: bool | None = None
    correct: bool | None = None
    """Of those with a label."""
    needs_review: bool | None = None
    unknown: bool | None = None
    has_image: bool | None = None
    since: float | None = None
    """Unix seconds, this one included."""
    until: float | None = None
    """Unix seconds, this one excluded."""

    def clauses(self) -> Clauses:
        """As SQL. What is true or false stands in it by word: an index of the true ones alone is found by that."""
        equal = ("model", "version", "arm", "predicted", "true_class")
        given = [(f"p.{name} = ?", getattr(self, name)) for name in equal]
        given += [("p.time >= ?", self.since), ("p.time < ?", self.until)]
        pairs = [pair for pair in given if pair[1] is not None]
        words = [
            _either(self.labelled, "p.true_class IS NOT NULL", "p.true_class IS NULL"),
            _either(self.correct, "p.true_class = p.predicted", "p.true_class <> p.predicted"),
            _either(self.needs_review, "p.needs_review", "NOT p.needs_review"),
            _either(self.unknown, "p.unknown", "NOT p.unknown"),
            _either(self.has_image, IMAGE, f"NOT {IMAGE}"),
        ]
        sql = " AND ".join([*(clause for clause, _ in pairs), *filter(None, words)])
        return sql or "1 = 1", [value for _, value in pairs]


EVERYTHING = Filter()


@dataclass(frozen=True)
class Cursor:
    """The last row of a page: the next page begins behind it, whatever was written or removed meanwhile."""

    time: float
    number: int

    def __str__(self) -> str:
        return f"{self.time!r}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Back from its text.

        Raises:
            InputError: no text of a cursor.
        """
        time, _, number = text.partition(":")
        try:
            return cls(float(time), int(number))
        except ValueError:
            raise InputError(f"a cursor must be TIME:NUMBER as the page before gave it, got {text!r:.80}") from None


def _either(asked: bool | None, when_true: str, when_false: str) -> str:
    return "" if asked is None else when_true if asked else when_false
