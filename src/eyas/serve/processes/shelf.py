"""The versions in a process's memory: those that serve, and those that are ready to."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from eyas.bundle import Bundle
from eyas.bundle.repository import open_version
from eyas.core.errors import EyasError
from eyas.core.schema import ServeConfig
from eyas.serve.messages import Prepared, Refused, Table, Version
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.processes.weights import find, forget
from eyas.serve.trust.signature import verify

log = logging.getLogger("eyas.serve")
LONGEST = 2000  # letters of a reason: ONNX Runtime's can hold a whole graph


def opened(version: Version, config: ServeConfig) -> Bundle:
    """A version's bundle, its signature and files checked.

    Raises:
        EyasError: it is not as it should be.
    """
    path = Path(version.path)
    if config.require_signature is not None:
        verify(path, Path(config.require_signature))
    return open_version(path, version.version)


def load(version: Version, threads: int, config: ServeConfig, weights: Path | None = None) -> Model:
    """A version in memory: its signature and files checked, its golden answers given, its graph warm.

    Args:
        threads: of ONNX Runtime, for one prediction.
        config: whether it must be signed, and what may be called unknown.
        weights: where there may be an optimised graph of it.

    Raises:
        EyasError: it cannot be served.
    """
    bundle = opened(version, config)
    if weights and (graph := find(weights, bundle)):
        try:
            return Model(bundle, threads, version.model, config.outlier_rate, graph)
        except EyasError as error:
            log.warning(f"{version.path} is loaded with weights of its own: {error}")
    return Model(bundle, threads, version.model, config.outlier_rate)


def attempt(version: Version, threads: int, config: ServeConfig, weights: Path | None = None) -> Model | Refused:
    """`load`, or the reason why not."""
    try:
        return load(version, threads, config, weights)
    except EyasError as error:
        return Refused(version, str(error)[:LONGEST])
    except Exception as error:  # noqa: BLE001  (whatever a bundle brings about, it is this bundle that is refused)
        return Refused(version, f"{type(error).__name__}: {error}"[:LONGEST])


class Shelf:
    """Of a worker; used from its event loop.

    Args:
        models: what requests find; changed by `activate` alone.
        threads, config, weights: as of `load`.
    """

    def __init__(self, models: Models, threads: int, config: ServeConfig, weights: Path | None = None) -> None:
        self.models = models
        self._threads, self._config, self._weights = threads, config, weights
        self._loaded: dict[Version, Model] = {}

    def fill(self, table: Table) -> None:
        """Load what is served when the worker starts.

        Raises:
            EyasError: a version cannot be.
        """
        for served in table:
            for version in served.versions:
                self._loaded[version] = load(version, self._threads, self._config, self._weights)
        self.activate(table)

    def prepare(self, version: Version, tell: Callable[[Prepared | Refused], None]) -> None:
        """Load a version in a thread, beside what serves, and tell how that ended."""
        loop = asyncio.get_running_loop()

        def work() -> None:
            outcome = attempt(version, self._threads, self._config, self._weights)
            with suppress(RuntimeError):  # the worker has stopped meanwhile
                loop.call_soon_threadsafe(end, outcome)

        def end(outcome: Model | Refused) -> None:
            if isinstance(outcome, Refused):
                tell(outcome)
            else:
                self._loaded[version] = outcome
                tell(Prepared(version, outcome.pace))

        threading.Thread(target=work, name="prepare", daemon=True).start()  # one that hangs keeps no worker alive

    def activate(self, table: Table) -> None:
        """Serve these, and let go of all others; requests that have one go on with it."""
        before = self._loaded
        self._loaded = {version: before[version] for served in table for version in served.versions}
        self.models.replace(
            {served.model: {one.version: self._loaded[one] for one in served.versions} for served in table},
            {served.model: served.live for served in table},
            {served.model: served.split for served in table if served.split},
        )
        if self._weights:
            kept = [model.bundle for model in self._loaded.values()]
            for version in before.keys() - self._loaded.keys():
                forget(self._weights, before[version].bundle, kept)
