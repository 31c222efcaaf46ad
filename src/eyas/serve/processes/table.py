"""What a repository wants to be served, and what of that can be."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from eyas.bundle import Repository, signature_of
from eyas.core.errors import BundleError, EyasError
from eyas.serve.messages import Served, Table, Version
from eyas.serve.processes.rollouts import Rollouts


@dataclass(frozen=True)
class Wanted:
    """Of a repository, at one look."""

    models: dict[str, Served]
    """By name. The live version is among the versions, unless it is not there."""
    troubles: dict[str, str]
    """Models whose pointer leads nowhere, and why."""

    def versions(self) -> Iterator[Version]:
        """All of them, the live ones first."""
        every = [(served, version) for served in self.models.values() for version in served.versions]
        yield from (version for served, version in every if version.version == served.live)
        yield from (version for served, version in every if version.version != served.live)


def look(repository: Repository, rollouts: Rollouts, *, every: bool) -> Wanted:
    """Look at the repository.

    Args:
        rollouts: that are under way; a challenger is wanted, too.
        every: every version is wanted, not the live ones alone.

    Raises:
        BundleError: there is no repository any more.
    """
    if not repository.path.is_dir():
        raise BundleError(f"there is no repository {repository.path}")
    models, troubles = {}, {}
    for model in repository.models():
        try:
            if (live := repository.live(model)) is None:
                continue
            names = repository.versions(model)
            if live.version not in names:
                troubles[model] = f"{model} {live.version} is live in {repository.path}, and not there"
            try:
                split = rollouts.split(model, live.version)
            except (EyasError, OSError) as error:  # the model is served all the same
                split, troubles[model] = None, f"the rollout of {model} cannot be read: {error}"
            needed = {live.version, split.challenger if split else live.version}
            chosen = tuple(version_in(repository, model, name) for name in names if every or name in needed)
            models[model] = Served(model, live.version, chosen, split)
        except (EyasError, OSError) as error:
            troubles[model] = str(error)
    return Wanted(models, troubles)


def version_in(repository: Repository, model: str, version: str) -> Version:
    """A version as it lies there now.

    Raises:
        BundleError: it does not.
    """
    folder = repository.folder(model, version).absolute()
    return Version(model, version, str(folder), _stamp(folder))


def _stamp(folder: Path) -> str:
    """Another one after any change of the files, or of their signature; they are not read."""
    files = sorted(file for file in (*folder.rglob("*"), signature_of(folder)) if file.is_file())
    facts = [(str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino) for file in files for stat in (file.stat(),)]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def settle(wanted: Wanted, ready: Collection[Version], table: Table) -> Table:
    """What to serve now: what is wanted as far as it is ready, and what has served before where it is not.

    Args:
        ready: the versions that every worker has in memory.
        table: what is served.
    """
    now = {served.model: served for served in table}
    names = sorted({*wanted.models, *(wanted.troubles.keys() & now.keys())})
    settled = (_settle(wanted.models.get(name), ready, now.get(name)) for name in names)
    return tuple(served for served in settled if served)


def _settle(want: Served | None, ready: Collection[Version], now: Served | None) -> Served | None:
    if want is None:
        return now
    old = {version.version: version for version in now.versions} if now else {}
    kept = {}
    for version in want.versions:
        if version in ready:
            kept[version.version] = version
        elif version.version in old:  # its files have changed: what is in memory goes on until they are proved
            kept[version.version] = old[version.version]
    live = want.live
    if live not in kept:
        if now is None:
            return None
        live = now.live
        kept.setdefault(live, old[live])
    split = want.split if want.split and live == want.live and want.split.challenger in kept else None
    return Served(want.model, live, tuple(kept.values()), split)
