"""Labels as people give them: numbers or text, which `predict` gives back as they came."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, column_or_1d

from eyas.core.errors import DataError


class LabelsError(DataError, ValueError):
    """Labels that cannot be learnt from or compared with. A ValueError, as scikit-learn's callers expect."""


def labels_of(labels: ArrayLike | None) -> NDArray[Any]:
    """Labels in one dimension: (N,) numbers or text.

    Raises:
        LabelsError: there are none, or text among other things.
        ValueError: they are no labels (scikit-learn's words).
    """
    if labels is None:
        raise LabelsError("fit requires y to be passed, but the target y is None; or give it a Dataset")
    _require_one_kind(labels)
    found = column_or_1d(labels, warn=True)
    if found.dtype.kind == "f":
        assert_all_finite(found, input_name="y")
    check_classification_targets(found)
    return np.asarray(found)


def numbered(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The distinct labels in order, (K,), and the place of each label among them, (N,).

    Raises:
        ValueError: fewer than two classes.
    """
    classes, places = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise LabelsError(f"a classifier needs at least 2 classes, got {len(classes)} class: {classes.tolist()}")
    return classes, places.astype(np.int64)


def places_of(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """The place of each label among the classes.

    Raises:
        LabelsError: one that is none of them.
    """
    known = {label: place for place, label in enumerate(classes.tolist())}
    if unknown := [label for label in labels.tolist() if label not in known]:
        raise LabelsError(f"labels must be of classes_ {list(known)[:20]}, got {unknown[:5]}")
    return np.array([known[label] for label in labels.tolist()], np.int64)


def _require_one_kind(labels: ArrayLike) -> None:
    """All text or no text: NumPy would make text of the rest, where it can.

    Raises:
        LabelsError: names the first that is no text.
    """
    if isinstance(labels, np.ndarray) and labels.dtype.kind != "O":
        return
    flat = np.asarray(labels, object).ravel().tolist()
    others = [label for label in flat if not isinstance(label, str)]
    if 0 < len(others) < len(flat):
        raise LabelsError(f"labels must be all text or all numbers, got {others[0]!r} beside text")
