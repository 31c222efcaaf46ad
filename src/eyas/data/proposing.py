"""From what a closer look has found to the fixes that it proposes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eyas.data.fixes import Fixes, Relabel, Removal, image_names, mark_of
from eyas.data.near.pairs import later_copies
from eyas.data.overview import Overview
from eyas.data.splits import Rows


def propose_fixes(overview: Overview, relabels: Sequence[tuple[int, int, float]] = ()) -> Fixes:
    """Removals from train (and, for the sake of test, from val), relabels, and the test images that training knows.

    One copy of each (near-)duplicate stays: the one in test, else the one in val, else the first in train.

    Args:
        overview: of data that can be split, without fixes.
        relabels: row, suggested class and its probability.
    """
    survey, splits = overview.survey, overview.splits
    names = image_names(survey.names)
    removals: dict[int, Removal] = {}

    def remove(row: int, reason: str, twin: int, score: float | None) -> None:
        removal = Removal.model_validate(
            {"image": names[row], "reason": reason, "twin": names[twin], "score": score and round(score, 3)}
        )
        removals.setdefault(row, removal)

    test, val, train = splits["test"], splits["val"], splits["train"]
    copies: set[int] = set()
    for staying, leaving, reason in (
        (test, np.concatenate([train, val]), "stands in test"),
        (val, train, "stands in val"),
    ):
        leaving = np.setdiff1d(leaving, np.array(sorted(removals), np.int64))
        found = [*_equal(overview, staying, leaving), *_near(overview, staying, leaving)]
        for stays, goes, score in found:
            remove(goes, reason, stays, score)
        if staying is test:
            copies = {stays for stays, _, _ in found}
    left = np.setdiff1d(train, np.array(sorted(removals), np.int64))
    for stays, goes, _ in _equal(overview, left, left):
        remove(goes, "duplicate", stays, None)
    left = np.setdiff1d(left, np.array(sorted(removals), np.int64))
    score_of = dict(
        zip(
            zip(overview.pairs.first.tolist(), overview.pairs.second.tolist(), strict=True),
            overview.pairs.score.tolist(),
            strict=True,
        )
    )
    for goes, stays in later_copies(overview.pairs, left).items():
        remove(goes, "near-duplicate", stays, score_of[stays, goes])
    return Fixes(
        data=mark_of(overview.report.name, survey, splits),
        remove=tuple(removals[row] for row in sorted(removals)),
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
        test_near_duplicates=tuple(names[row] for row in sorted(copies)),
    )


def _equal(overview: Overview, staying: Rows, leaving: Rows) -> list[tuple[int, int, None]]:
    """Rows that stay and rows that go because their pixels are equal; within one set, the first of each stays."""
    first: dict[bytes, int] = {}
    for row in staying.tolist():
        first.setdefault(overview.survey.digests[row].tobytes(), row)
    pairs = ((first.get(overview.survey.digests[row].tobytes()), row) for row in leaving.tolist())
    return [(stays, row, None) for stays, row in pairs if stays is not None and stays != row]


def _near(overview: Overview, staying: Rows, leaving: Rows) -> list[tuple[int, int, float]]:
    at, stays, goes = overview.pairs.between(staying, leaving)
    return list(zip(stays.tolist(), goes.tolist(), overview.pairs.score[at].tolist(), strict=True))
