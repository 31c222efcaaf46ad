"""The models of a worker by name and version. Which of them is live changes between two requests, never within one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from eyas.serve.dealing import Dealer
from eyas.serve.http import Problem
from eyas.serve.model import Model
from eyas.serve.split import Split


class Models:
    """What is loaded.

    Args:
        default: the model that answers where a request names none; the first that is put in where this is empty.
    """

    def __init__(self, default: str = "") -> None:
        self.default_name = default
        """Of the model that answers where a request names none; it need not be loaded."""
        self._loaded: Mapping[str, Mapping[str, Model]] = {}
        self._live: Mapping[str, str] = {}
        self._dealers: Mapping[str, Dealer] = {}
        self._watchers: list[Callable[[Collection[tuple[str, str]]], None]] = []

    def __iter__(self) -> Iterator[Model]:
        return (model for versions in self._loaded.values() for model in versions.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The default first."""
        return tuple(sorted(self._loaded, key=lambda name: name != self.default_name))

    def versions(self, name: str) -> tuple[str, ...]:
        """Of a model, the live one first."""
        live = self._live[name]
        return (live, *(version for version in self._loaded[name] if version != live))

    @property
    def default(self) -> Model:
        """The default model's live version.

        Raises:
            Problem: 503, it is not loaded; no other model answers in its place.
        """
        try:
            return self._loaded[self.default_name][self._live[self.default_name]]
        except KeyError:
            raise Problem(
                503, f"the default model {self.default_name} is not loaded; ?model= may name {self._list()}"
            ) from None

    def find(self, name: str = "", version: str = "") -> Model:
        """A model.

        Args:
            name: of the model; the default's where empty.
            version: the live one where empty, whatever rollout there is.

        Raises:
            Problem: 404, none such is loaded; 503, it is the default one.
        """
        if not name:
            default = self.default
            if not version:
                return default
            name = self.default_name
        if name not in self._loaded:
            raise Problem(404, f"there is no model {name}; there are {self._list()}")
        version = version or self._live[name]
        if version not in self._loaded[name]:
            raise Problem(404, f"{name} has no version {version} loaded; there are {', '.join(self._loaded[name])}")
        return self._loaded[name][version]

    def dealer(self, name: str) -> Dealer | None:
        """Of a model's requests, while there is a rollout."""
        return self._dealers.get(name)

    def put(self, name: str, model: Model) -> None:
        """Add a version that is ready; it answers from now on where a request names no version."""
        self.default_name = self.default_name or name
        versions = {**self._loaded.get(name, {}), model.version: model}
        self.replace({**self._loaded, name: versions}, {**self._live, name: model.version})

    def replace(
        self,
        loaded: Mapping[str, Mapping[str, Model]],
        live: Mapping[str, str],
        splits: Mapping[str, Split] | None = None,
    ) -> None:
        """All of them at once; requests that have a model which leaves go on with it.

        Args:
            loaded: by name and version.
            live: the live version of each.
            splits: the rollouts that are under way.
        """
        self._loaded, self._live = loaded, live
        self._dealers = {name: Dealer(split, loaded[name][split.challenger]) for name, split in (splits or {}).items()}
        for tell in self._watchers:
            tell(self._pairs())

    def watch(self, tell: Callable[[Collection[tuple[str, str]]], None]) -> None:
        """`tell` hears now, and after each change, the names and versions of all that is loaded."""
        self._watchers.append(tell)
        tell(self._pairs())

    def _pairs(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, version) for name, versions in self._loaded.items() for version in versions)

    def _list(self) -> str:
        return ", ".join(self.names) or "none"
