"""What admins want of the supervisor, from the moment that they ask until they can be told what came of it.

live, rollback: the version is tried and prepared first; the pointer moves once every worker is ready, and only then.
of a rollout: it moves at once; the answer comes when the workers deal out the requests so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from eyas.core.errors import ConfigError, EyasError
from eyas.rollout import Status
from eyas.serve.asking import Ask, Told
from eyas.serve.messages import Version
from eyas.serve.processes.rollouts import MOVES, START
from eyas.serve.processes.state import model_state, state
from eyas.serve.processes.table import version_in

if TYPE_CHECKING:
    from eyas.serve.processes.changes import Changes

LOOK, ROLLOUT_MOVES = "rollout", (START, *MOVES)
NOBODY = -1  # no worker's slot


@dataclass
class _Wish:
    slot: int
    ask: Ask
    version: Version | None = None
    """That is to be live; None: no pointer is to move."""
    written: bool = False


class Wishes:
    """Of a service's admins."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._wishes: list[_Wish] = []

    @property
    def written(self) -> bool:
        """Whether the repository has been written to for one that is not answered yet."""
        return any(wish.written for wish in self._wishes)

    def add(self, slot: int, ask: Ask) -> None:
        """An admin asks, through a worker."""
        wish = _Wish(slot, ask)
        if ask.action == "state":
            self._tell(wish, 200, body=msgspec.json.encode(state(self._changes)))
            return
        if ask.action == LOOK:
            self._tell_rollout(wish)
            return
        if ask.action in ROLLOUT_MOVES:
            if not self._moved(wish):
                return
        elif ask.action == "reload":
            self._changes.look_now()
        elif (version := self._pointed(wish)) is None:
            return
        else:
            wish.version = version
            self._changes.refused.pop(version, None)
        self._wishes.append(wish)

    def grant(self) -> list[Version]:
        """Move the pointers that can move; gives the versions that have to be prepared before."""
        missing = []
        for wish in [*self._wishes]:
            if wish.version is None or wish.written:
                continue
            if why := self._changes.refused.get(wish.version):
                self._fail(wish, 409, why)
            elif wish.version in self._changes.ready:
                self._write(wish, wish.version)
            else:
                missing.append(wish.version)
        return missing

    def answer(self, troubles: Iterable[str]) -> None:
        """Nothing more can be done: tell who waits."""
        for wish in [*self._wishes]:
            served = next((one for one in self._changes.table if one.model == wish.ask.model), None)
            if wish.ask.action in ROLLOUT_MOVES:
                self._wishes.remove(wish)
                self._tell_rollout(wish)
            elif wish.version is None:
                self._end(wish, msgspec.json.encode(state(self._changes)))
            elif served and served.live == wish.version.version:
                self._end(wish, msgspec.json.encode(model_state(self._changes, served.model)))
            else:
                self._fail(wish, 409, "; ".join(troubles) or f"{wish.ask.model} has been pointed elsewhere meanwhile")

    def left(self, slot: int) -> None:
        """A worker has ended: who asked through it cannot be told any more."""
        for wish in self._wishes:
            if wish.slot == slot:
                wish.slot = NOBODY

    def stop(self) -> None:
        """The service stops."""
        for wish in [*self._wishes]:
            self._fail(wish, 503, "the service is stopping")

    def _moved(self, wish: _Wish) -> bool:
        """Whether a rollout has begun or moved as it was asked; where it has not, the admin has been told."""
        repository, ask = self._changes.repository, wish.ask
        status = 404
        try:
            repository.versions(ask.model)
            if ask.version:  # what was refused is tried again
                self._changes.refused.pop(version_in(repository, ask.model, ask.version), None)
            status = 409
            self._changes.rollouts.asked(ask)
        except ConfigError as error:
            self._tell(wish, 422, str(error))
        except (EyasError, OSError) as error:
            self._tell(wish, status, str(error))
        else:
            return True
        return False

    def _tell_rollout(self, wish: _Wish) -> None:
        """How the rollout stands; of one that could not begin, why."""
        status = 404
        try:
            self._changes.repository.versions(wish.ask.model)
            status = 500
            found = self._changes.rollouts.state(wish.ask.model)
        except (EyasError, OSError) as error:
            self._tell(wish, status, str(error))
            return
        if found is None:
            self._tell(wish, 404, f"there was no rollout of {wish.ask.model} yet")
        elif wish.ask.action == START and found.status == Status.ROLLED_BACK:
            self._tell(wish, 409, "; ".join(found.history[-1].why))
        else:
            self._tell(wish, 200, body=msgspec.json.encode(found))

    def _pointed(self, wish: _Wish) -> Version | None:
        """The version that the pointer is to lead to; None: it cannot, and the admin has been told."""
        repository, model, version = self._changes.repository, wish.ask.model, wish.ask.version
        if any(other.version and other.ask.model == model for other in self._wishes):
            self._tell(wish, 409, f"the live version of {model} is being changed already")
            return None
        status = 404
        try:
            repository.versions(model)
            if wish.ask.action == "rollback":
                status = 409
                version = repository.previous(model)
            return version_in(repository, model, version)
        except (EyasError, OSError) as error:
            self._tell(wish, status, str(error))
            return None

    def _write(self, wish: _Wish, version: Version) -> None:
        repository, by = self._changes.repository, wish.ask.by
        try:
            if wish.ask.action == "live":
                repository.set_live(version.model, version.version, by)
            elif (previous := repository.previous(version.model)) == version.version:
                repository.roll_back(version.model, by)
            else:
                self._fail(wish, 409, f"the version before the live one is {previous} by now")
                return
        except (EyasError, OSError) as error:
            self._fail(wish, 409, str(error))
            return
        wish.written = True

    def _fail(self, wish: _Wish, status: int, why: str) -> None:
        self._wishes.remove(wish)
        self._tell(wish, status, why)

    def _end(self, wish: _Wish, body: bytes) -> None:
        self._wishes.remove(wish)
        self._tell(wish, 200, body=body)

    def _tell(self, wish: _Wish, status: int, detail: str = "", body: bytes = b"{}") -> None:
        self._changes.crew.tell(Told(wish.ask.number, status, detail, msgspec.Raw(body)), wish.slot)
