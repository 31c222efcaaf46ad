"""From what a closer look has found to the fixes that it proposes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from eyas.data.fixes import Fixes, Relabel, Removal, image_names, mark_of
from eyas.data.near.pairs import later_copies
from eyas.data.overview import Overview
from eyas.data.splits import Rows

_Pair = tuple[int, int, float | None]
"""The row that stays, the one that goes, and how alike they are where they are not equal."""


def propose_fixes(overview: Overview, relabels: Sequence[tuple[int, int, float]] = ()) -> Fixes:
    """Removals from train (and, for the sake of test, from val), relabels, and the test images that training knows.

    One copy of each (near-)duplicate stays: the one in test, else the one in val, else the first in train.

    Args:
        overview: of data that can be split, without fixes.
        relabels: row, suggested class and its probability.
    """
    survey, splits = overview.survey, overview.splits
    names = image_names(survey.names)
    removals = _Removals(names)
    test, val, train = splits["test"], splits["val"], splits["train"]
    leaked = _copies(overview, test, removals.left(np.concatenate([train, val])))
    removals.add(leaked, "stands in test")
    removals.add(_copies(overview, val, removals.left(train)), "stands in val")
    left = removals.left(train)
    removals.add(_equal(overview, left, left), "duplicate")
    removals.add(_later(overview, removals.left(left)), "near-duplicate")
    return Fixes(
        data=mark_of(overview.report.name, survey, splits),
        remove=removals.listed(),
        relabel=tuple(
            Relabel.model_validate(
                {
                    "image": names[row],
                    "from": survey.classes[survey.labels[row]],
                    "to": survey.classes[suggested],
                    "confidence": round(confidence, 3),
                }
            )
            for row, suggested, confidence in relabels
            if row not in removals
        ),
        test_near_duplicates=tuple(names[row] for row in sorted({stays for stays, _, _ in leaked})),
    )


class _Removals:
    """Images to take away, each for the first reason that was found."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._by_row: dict[int, Removal] = {}

    def __contains__(self, row: int) -> bool:
        return row in self._by_row

    def add(self, pairs: Iterable[_Pair], reason: str) -> None:
        for stays, goes, score in pairs:
            shown = score and round(score, 3)
            said = {"image": self._names[goes], "reason": reason, "twin": self._names[stays], "score": shown}
            self._by_row.setdefault(goes, Removal.model_validate(said))

    def left(self, rows: Rows) -> Rows:
        """Those that stay, ascending."""
        return np.setdiff1d(rows, np.array(sorted(self._by_row), np.int64))

    def listed(self) -> tuple[Removal, ...]:
        return tuple(self._by_row[row] for row in sorted(self._by_row))


def _copies(overview: Overview, staying: Rows, leaving: Rows) -> list[_Pair]:
    return [*_equal(overview, staying, leaving), *_near(overview, staying, leaving)]


def _equal(overview: Overview, staying: Rows, leaving: Rows) -> list[_Pair]:
    """Rows that stay and rows that go because their pixels are equal; within one set, the first of each stays."""
    first: dict[bytes, int] = {}
    for row in staying.tolist():
        first.setdefault(overview.survey.digests[row].tobytes(), row)
    pairs = ((first.get(overview.survey.digests[row].tobytes()), row) for row in leaving.tolist())
    return [(stays, row, None) for stays, row in pairs if stays is not None and stays != row]


def _near(overview: Overview, staying: Rows, leaving: Rows) -> list[_Pair]:
    at, stays, goes = overview.pairs.between(staying, leaving)
    return list(zip(stays.tolist(), goes.tolist(), overview.pairs.score[at].tolist(), strict=True))


def _later(overview: Overview, rows: Rows) -> list[_Pair]:
    """Near-duplicates among these rows: of each group the first stays."""
    pairs = overview.pairs
    ends = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    score_of = dict(zip(ends, pairs.score.tolist(), strict=True))
    return [(stays, goes, score_of[stays, goes]) for goes, stays in later_copies(pairs, rows).items()]
