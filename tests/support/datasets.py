"""Datasets that are like another but for some field."""

from __future__ import annotations

import copy

from eyas.data import Dataset


def changed(dataset: Dataset, **changes: object) -> Dataset:
    """A copy with these fields; `dataclasses.replace` would open a source."""
    made = copy.copy(dataset)
    vars(made).update(changes)
    return made
