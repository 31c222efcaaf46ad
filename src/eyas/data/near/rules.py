"""What near-duplicates say of the data: findings, as those of `data.checks`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from eyas.data.checks import EXAMPLES, Finding
from eyas.data.near.pairs import NearPairs
from eyas.data.splits import Rows
from eyas.data.survey import Survey

# What a later split must not share with an earlier one.
EARLIER = {"val": ("train",), "test": ("train", "val")}


def of_near_duplicates(survey: Survey, splits: Mapping[str, Rows], pairs: NearPairs) -> Iterator[Finding]:
    """Near-duplicates inside a split, and across splits."""
    for split, rows in splits.items():
        at, first, second = pairs.between(rows, rows)
        if len(at):
            copies = len(np.unique(second))
            message = f"{copies:,} of the {split} images ({copies / len(rows):.1%}) are nearly another {split} image"
            yield Finding("warning", "near-duplicates", message, copies, _named(survey, second, first))
    for later, earlier in EARLIER.items():
        known = [splits[name] for name in earlier if name in splits]
        if later not in splits or not known:
            continue
        _, inside, outside = pairs.between(splits[later], np.concatenate(known))
        if len(inside):
            copies = len(np.unique(inside))
            share = copies / len(splits[later])
            where = " or ".join(earlier)
            message = f"{copies:,} of the {later} images ({share:.1%}) nearly stand in {where}"
            yield Finding("warning", f"near-leaked-{later}", message, copies, _named(survey, inside, outside))


def _named(survey: Survey, rows: Rows, twins: Rows) -> tuple[str, ...]:
    """`copy ~ twin`, surest first, each copy once."""
    once = np.sort(np.unique(rows, return_index=True)[1])[:EXAMPLES]
    return tuple(f"{survey.names[rows[at]]} ~ {survey.names[twins[at]]}" for at in once)
