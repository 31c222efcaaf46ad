"""Brings a registry to what a repository says, once or again and again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

from eyas.bundle import Repository
from eyas.core import io
from eyas.core.errors import EyasError, IntegrityError, TrackingError
from eyas.core.marks import MANIFEST
from eyas.rollout import Entry, rollouts_of
from eyas.rollout.plan import percent
from eyas.track.delivery.mlflow_store import patient
from eyas.track.delivery.sink import one_line
from eyas.track.registry.registry import CHALLENGER, CHAMPION, Known, Registry

LIVE_SINCE, LIVE_BY, ROLLOUT = "eyas.live_since", "eyas.live_by", "eyas.rollout"
"""Tags of a version: when it became live, who made it so, and what became of its rollout."""
LONGEST = 1000  # characters of a rollout's story
POLL_SECONDS = 1.0
AGAIN_SECONDS = 60.0
"""After which the registry is looked at though the repository has not changed: somebody may have changed it."""


@dataclass
class Mirrored:
    """What a pass has done."""

    news: list[str] = field(default_factory=list)
    """What has changed in the registry, in words."""
    troubles: dict[str, str] = field(default_factory=dict)
    """What could not be done, by what it is of."""


class Mirror:
    """A repository's mirror in a registry.

    Args:
        models: those alone; all where there are none.
    """

    def __init__(self, repository: Repository, registry: Registry, models: Sequence[str] = ()) -> None:
        self._repository, self._registry = repository, registry
        self._models = tuple(models)

    def glance(self) -> object:
        """Something else after any change that a pass would mirror.

        Raises:
            EyasError, OSError: the repository cannot be read.
        """
        found = []
        for model in self._chosen():
            rollout = rollouts_of(self._repository, model).current()
            step = rollout.step if rollout else 0
            found.append((model, self._repository.versions(model), self._repository.live(model), step))
        return found

    def once(self) -> Mirrored:
        """Bring the registry to what the repository says now; what is so already is left alone.

        Raises:
            EyasError, OSError: the repository cannot be read.
            TrackingError: the registry cannot be read or written.
        """
        done = Mirrored()
        with self._told():
            for model in self._chosen():
                try:
                    self._mirror(model, done)
                except (EyasError, OSError) as error:
                    done.troubles[model] = one_line(error)
        return done

    def _chosen(self) -> tuple[str, ...]:
        return self._models or self._repository.models()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """MLflow's errors share no base class: those of its store, of its transport, of a cloud's library."""
        try:
            with patient():
                yield
        except EyasError:
            raise
        except Exception as error:  # whatever it is: the mirror goes on
            raise TrackingError(f"{self._registry.place}: {one_line(error)}") from error

    def _mirror(self, model: str, done: Mirrored) -> None:
        repository, registry = self._repository, self._registry
        aliases, known = registry.aliases(model), registry.versions(model)
        mirrored: dict[str, Known] = {}
        for version in repository.versions(model):
            try:
                mirrored[version] = self._version(model, version, known, done)
            except (EyasError, OSError) as error:
                done.troubles[f"{model} {version}"] = one_line(error)
        live, rollout = repository.live(model), rollouts_of(repository, model).current()
        tried = rollout.plan.challenger if rollout and not rollout.over else None
        for alias, wanted in ((CHAMPION, live.version if live else None), (CHALLENGER, tried)):
            if wanted and wanted not in mirrored:  # where it leads now is better than nowhere
                done.troubles[f"{model}: {alias}"] = f"{alias} stays where it is, as {wanted} is not mirrored"
                continue
            number = mirrored[wanted].number if wanted else None
            if aliases.get(alias) != number:
                registry.name(model, alias, number)
                done.news.append(f"{model}: {alias} is {wanted if number else 'nobody'}")
        for version, marks in self._marks(model).items():
            self._mark(model, mirrored.get(version), marks)

    def _version(self, model: str, version: str, known: dict[tuple[str, str], Known], done: Mirrored) -> Known:
        folder = self._repository.folder(model, version)
        digest = _digest(folder / MANIFEST)
        if found := known.get((version, digest)):
            return found
        made = self._registry.add(model, self._repository.open(model, version))
        done.news.append(f"{model} {version} is version {made.number}")
        return made

    def _mark(self, model: str, known: Known | None, marks: dict[str, str]) -> None:
        for key, value in marks.items():
            if known and known.tags.get(key) != value:
                self._registry.mark(model, known.number, key, value)

    def _marks(self, model: str) -> dict[str, dict[str, str]]:
        """What has become of each version."""
        marks: dict[str, dict[str, str]] = defaultdict(dict)
        live = self._repository.live(model)
        for turn in (*reversed(live.before), live) if live else ():
            marks[turn.version] |= {LIVE_SINCE: turn.since, LIVE_BY: turn.by}
        for entry in rollouts_of(self._repository, model).history():
            marks[entry.after.plan.challenger][ROLLOUT] = _story(entry)
        return marks


def follow(mirror: Mirror, tell: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Mirror every change of the repository, until the process ends.

    Trouble is said once, and again where its words change; a store that is down is asked ever less often.

    Args:
        mirror: of the repository.
        tell: is given what has changed.
        warn: is given what cannot be done.
    """
    seen: object = None
    due, pause, said = 0.0, POLL_SECONDS, set[tuple[str, str]]()
    while True:
        done: Mirrored | None = None
        try:
            now = mirror.glance()
            if now != seen or monotonic() > due:
                done = mirror.once()
                seen, due, pause = now, monotonic() + AGAIN_SECONDS, POLL_SECONDS
        except (EyasError, OSError) as error:
            done, seen = Mirrored(troubles={type(error).__name__: str(error)}), None
            pause = min(2 * pause, AGAIN_SECONDS)
        if done:
            _say(done, said, tell, warn)
            said = _told_apart(done)
        sleep(pause)


def _say(done: Mirrored, said: set[tuple[str, str]], tell: Callable[[str], None], warn: Callable[[str], None]) -> None:
    for line in done.news:
        tell(line)
    for name, _ in sorted(_told_apart(done) - said):
        warn(done.troubles[name])
    if said and not done.troubles:
        tell("all of it is mirrored again")


def _told_apart(done: Mirrored) -> set[tuple[str, str]]:
    """The troubles by name and words, but for the addresses of objects: another one each time."""
    return {(name, re.sub("0x[0-9a-f]+", "", words)) for name, words in done.troubles.items()}


def _digest(manifest: Path) -> str:
    """What a manifest says of itself; the files are checked before they are sent."""
    try:
        found: str = io.read_json(manifest)["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{manifest} is no bundle's manifest: {error}") from error
    return found


def _story(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="seconds")
    at = "" if entry.after.over else f" at {percent(entry.after.dealt)}"
    return f"{entry.after.status}{at} since {when}, by {entry.by}: {'; '.join(entry.why)}"[:LONGEST]
