"""scikit-learn's side of the classifier: parameters by name, tags, and what is checked of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, column_or_1d

from eyas.api.images import LabelsError
from eyas.api.settings import SHORT, require_known

NAMED = ("model", *SHORT, "verbose")
"""The parameters that `Classifier` names in its signature."""

if TYPE_CHECKING:  # scikit-learn has no types: its classes would make a type checker accept any attribute

    class _Base:
        def __sklearn_tags__(self) -> Any: ...

else:

    class _Base(ClassifierMixin, BaseEstimator):
        pass


class Estimator(_Base):
    """Parameters that are the configuration's keys. Each is an attribute, as scikit-learn has it."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Every named parameter, and the keywords that were given.

        Args:
            deep: for scikit-learn; a parameter here has no parameters of its own.
        """
        return {name: getattr(self, name) for name in (*NAMED, *self._keywords())}

    def set_params(self, **params: object) -> Self:
        """Change parameters; what is trained stays until the next `fit`.

        Raises:
            ConfigError: an unknown one, with the nearest known.
        """
        require_known({name: value for name, value in params.items() if name not in NAMED})
        vars(self).update(params)
        return self

    def _keywords(self) -> list[str]:
        """Those given beside the named ones, in their order."""
        return [name for name in vars(self) if not (name in NAMED or name.startswith("_") or name.endswith("_"))]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_answering")


def labels_of(labels: ArrayLike | None) -> NDArray[Any]:
    """Labels in one dimension: (N,) numbers or text.

    Raises:
        ValueError: they are no labels (scikit-learn's words).
    """
    if labels is None:
        raise LabelsError("fit requires y to be passed, but the target y is None; or give it a Dataset")
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
