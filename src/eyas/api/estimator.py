"""scikit-learn's side of the classifier: parameters by name, and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from sklearn.base import BaseEstimator, ClassifierMixin

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

    _keywords: tuple[str, ...] = ()
    """Those given beside the named ones, in their order."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Every named parameter, and the keywords that were given.

        Args:
            deep: for scikit-learn; a parameter here has no parameters of its own.
        """
        return {name: getattr(self, name) for name in (*NAMED, *self._keywords)}

    def set_params(self, **params: object) -> Self:
        """Change parameters; what is trained stays until the next `fit`.

        Raises:
            ConfigError: an unknown one, with the nearest known.
        """
        keywords = {name: value for name, value in params.items() if name not in NAMED}
        require_known(keywords, type(self))
        vars(self).update(params)
        self._keywords = tuple(dict.fromkeys((*self._keywords, *keywords)))
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_answering")
