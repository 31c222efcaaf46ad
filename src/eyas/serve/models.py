"""The models of a worker by name and version. Which of them is live changes between two requests, never within one."""

from __future__ import annotations

from collections.abc import Iterator

from eyas.serve.http import Problem
from eyas.serve.model import Model


class Models:
    """What is loaded. The first model put in is the default: the one that answers where a request names none."""

    def __init__(self) -> None:
        self._loaded: dict[str, dict[str, Model]] = {}
        self._live: dict[str, str] = {}

    def __iter__(self) -> Iterator[Model]:
        return (model for versions in self._loaded.values() for model in versions.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The default first."""
        return tuple(self._loaded)

    def versions(self, name: str) -> tuple[str, ...]:
        """Of a model, the live one first."""
        live = self._live[name]
        return (live, *(version for version in self._loaded[name] if version != live))

    @property
    def default(self) -> Model:
        """The default model's live version."""
        name = next(iter(self._loaded))
        return self._loaded[name][self._live[name]]

    def find(self, name: str = "", version: str = "") -> Model:
        """A model.

        Args:
            name: of the model; the default's where empty.
            version: the live one where empty.

        Raises:
            Problem: 404, none such is loaded.
        """
        if not name and not version:
            return self.default
        name = name or next(iter(self._loaded))
        if name not in self._loaded:
            raise Problem(404, f"there is no model {name}; there are {', '.join(self._loaded)}")
        version = version or self._live[name]
        if version not in self._loaded[name]:
            raise Problem(404, f"{name} has no version {version} loaded; there are {', '.join(self._loaded[name])}")
        return self._loaded[name][version]

    def put(self, name: str, model: Model, *, live: bool) -> None:
        """Add a version that is ready; `live`: it answers from now on where a request names no version."""
        self._loaded.setdefault(name, {})[model.version] = model
        if live or name not in self._live:
            self._live[name] = model.version

    def remove(self, name: str, version: str) -> None:
        """Let go of a version that is not live; requests that have it go on with it."""
        del self._loaded[name][version]
