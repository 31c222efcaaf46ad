"""Brings what the workers serve to what a repository wants, a version at a time, and never to a bad one.

look ─► a version that is not in memory ─► tried in a process of its own ─► prepared by every worker ─► look
   ├──► the table can change ─► activated by every worker ─► look
   └──► neither: rest until the repository is looked at again
A version that is refused on this way is not tried again before its files change, a rollout of it begins or somebody
asks for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from math import inf
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Protocol

from eyas.bundle import Repository
from eyas.core.errors import EyasError
from eyas.core.schema import ServeConfig
from eyas.serve.asking import Ask
from eyas.serve.messages import (
    Activate,
    Activated,
    Decided,
    Message,
    Prepare,
    Prepared,
    Refused,
    Table,
    Version,
)
from eyas.serve.processes.child import Child
from eyas.serve.processes.prover import verdict
from eyas.serve.processes.rollouts import Rollouts
from eyas.serve.processes.steps import Activation, Preparation, Step, Trial
from eyas.serve.processes.table import Wanted, look, settle
from eyas.serve.processes.wishes import Wishes
from eyas.serve.schemas import AdminWorker

log = logging.getLogger("eyas.serve")
WRITE_SECONDS = 0.2  # for another writer of a rollout: an admin is told, a verdict comes again
DEATHS = 2  # of workers while they load a version: the first may have another cause


class Crew(Protocol):
    """The workers, as the supervisor has them."""

    def tell(self, message: Message, slot: int | None = None) -> set[int]:
        """Tell one worker, or all; gives who was told."""

    def fork(self, name: str, body: Callable[[Connection], None]) -> Child:
        """Start a process that is none of the workers."""

    def end(self, slot: int) -> None:
        """End a worker that does not do its work; another takes its place."""

    def states(self) -> list[AdminWorker]:
        """How the workers are."""


class Changes:
    """Driven by the supervisor's loop, which tells it what it hears and gives it its turn.

    Args:
        crew: who serves.
        trial: runs `prove` in a process of its own; given the version and its pipe.
    """

    def __init__(
        self, repository: Repository, config: ServeConfig, crew: Crew, trial: Callable[[Version, Connection], None]
    ) -> None:
        self.repository, self.crew = repository, crew
        self._config, self._trial = config, trial
        self.table: Table = ()
        """What is served: a worker that starts serves this."""
        self.rested = False
        """Whether all that could be done at the start has been."""
        self.wanted = Wanted({}, {})
        self.refused: dict[Version, str] = {}
        """And why."""
        self.wishes = Wishes(self)
        self.rollouts = Rollouts(repository, WRITE_SECONDS)
        self._begun: dict[str, int] = {}  # model → its last rollout that was seen under way
        self._unmoved = ""  # why the last rollout could not be moved
        self._staged: set[Version] = set()  # prepared by every worker, and not in the table yet
        self._step: Step | None = None
        self._number = 0
        self._look_at = 0.0
        self._litter = False  # whether a worker may have prepared what was refused
        self._said: set[str] = set()

    # What the supervisor tells.

    def look_now(self) -> None:
        """Look at the repository at once, and give what was refused another try."""
        self._look_at = 0.0
        self.refused.clear()

    def heard(self, slot: int, message: Message) -> None:
        """A worker has said something."""
        step = self._step
        if isinstance(message, Ask):
            self.wishes.add(slot, message)
            self._look_at = 0.0
        elif isinstance(message, Activated):
            if isinstance(step, Activation) and step.number == message.number:
                step.waiting.discard(slot)
        elif isinstance(message, Prepared | Refused) and isinstance(step, Preparation):
            if step.version != message.version:  # it comes too late
                return
            step.waiting.discard(slot)
            if isinstance(message, Refused):
                self._refuse(message.version, message.reason)
            else:
                step.pace = message.pace

    def joined(self, slot: int) -> None:
        """A worker has been started, with `table` as it is now."""
        if isinstance(self._step, Preparation):
            self._step.waiting |= self.crew.tell(Prepare(self._step.version), slot)
            self._step.deadline = monotonic() + self._config.prepare_seconds

    def left(self, slot: int) -> None:
        """A worker has ended."""
        step = self._step
        self.wishes.left(slot)
        if isinstance(step, Preparation | Activation) and slot in step.waiting:
            step.waiting.discard(slot)
            if isinstance(step, Preparation):
                step.deaths += 1
                if step.deaths >= DEATHS:
                    self._refuse(step.version, f"{DEATHS} workers ended while they loaded it")

    def stop(self) -> None:
        """The service stops."""
        if isinstance(self._step, Trial):
            self._step.child.process.kill()
        self.wishes.stop()

    def decided(self, decided: Decided) -> None:
        """The watcher has judged a rollout."""
        self._attempt(lambda: self.rollouts.decided(decided))
        self._look_at = 0.0

    # Its turn.

    @property
    def sentinels(self) -> list[int]:
        """What to wait for, beside the workers."""
        return [self._step.child.process.sentinel] if isinstance(self._step, Trial) else []

    @property
    def pipes(self) -> list[Connection]:
        """The ends of pipes that a forked process must let go of."""
        return [self._step.child.pipe] if isinstance(self._step, Trial) else []

    @property
    def pause(self) -> float:
        """Seconds until there may be something to do, if nothing is heard before."""
        return self._step.pause if self._step else max(0.0, self._look_at - monotonic())

    @property
    def doing(self) -> str | None:
        """What is being changed, in words."""
        return self._step.doing if self._step else None

    def turn(self) -> None:
        """Do what can be done now."""
        step = self._step
        if isinstance(step, Trial) and not step.child.process.is_alive():
            self._tried(step)
        elif isinstance(step, Preparation | Activation):
            if not step.waiting:
                self._done(step)
            elif monotonic() > step.deadline:
                self._late(step)
        if self._step is None and monotonic() >= self._look_at:
            self._look()

    def _look(self) -> None:
        self._look_at = monotonic() + self._config.poll_seconds if self._config.poll_seconds else inf
        try:
            wanted = self._wanted()
            asked = self.wishes.grant()
            if self.wishes.written:  # the pointers have moved
                wanted = self._wanted()
        except (EyasError, OSError) as error:
            self._rest(str(error))
            return
        self.wanted = wanted
        self._heed_rollouts(wanted)
        versions = [*asked, *wanted.versions()]
        self._forget(versions)
        table = settle(wanted, self.ready, self.table)
        missing = [one for one in versions if one not in self.ready and one not in self.refused]
        if table != self.table:
            self._activate(table)
        elif missing:
            version = missing[0]
            child = self.crew.fork(f"eyas-trial-{version.model}", partial(self._trial, version))
            self._step = Trial(version, child)
        else:
            self._rest(*wanted.troubles.values())

    def _wanted(self) -> Wanted:
        return look(self.repository, self.rollouts, every=self._config.versions == "all")

    def _heed_rollouts(self, wanted: Wanted) -> None:
        """Of a challenger that was refused: a rollout that has begun since gives it another try, another one ends."""
        for served in wanted.models.values():
            if (split := served.split) is None:
                continue
            has_begun = self._begun.get(served.model) != split.number
            self._begun[served.model] = split.number
            version = next((one for one in served.versions if one.version == split.challenger), None)
            if version is None or version not in self.refused:
                continue
            if has_begun:
                del self.refused[version]
            else:
                self._end_rollout(version)

    def _end_rollout(self, refused: Version) -> None:
        """Where it lets a refused version take over; where that fails, the next look tries again."""
        reason = self.refused[refused]
        self._attempt(lambda: self.rollouts.refused(refused.model, refused.version, reason))

    def _forget(self, versions: list[Version]) -> None:
        """Of what was refused: what has left the repository, or has other files now."""
        now = {(one.model, one.version): one for one in versions}
        self.refused = {
            one: why
            for one, why in self.refused.items()
            if now.get((one.model, one.version), one) == one and _is_there(one)
        }

    @property
    def ready(self) -> set[Version]:
        """What every worker has in memory."""
        return {version for served in self.table for version in served.versions} | self._staged

    def _tried(self, step: Trial) -> None:
        self._step = None
        reason = verdict(step.child, self._config.prepare_seconds)
        if reason:
            self._refuse(step.version, reason)
        else:
            told = self.crew.tell(Prepare(step.version))
            self._step = Preparation(told, monotonic() + self._config.prepare_seconds, step.version)

    def _activate(self, table: Table) -> None:
        before = {served.model: served.live for served in self.table}
        for served in table:
            if served.live != (old := before.get(served.model)):
                log.info(f"{served.model}: {served.live} is live" + (f", after {old}" if old else ""))
        for model in before.keys() - {served.model for served in table}:
            log.info(f"{model} has left")
        self.table = table
        self._number += 1
        told = self.crew.tell(Activate(self._number, table))
        self._step = Activation(told, monotonic() + self._config.prepare_seconds, self._number)

    def _done(self, step: Preparation | Activation) -> None:
        if isinstance(step, Preparation):
            self._staged.add(step.version)
            if step.pace:  # none where there are no workers yet
                log.info(step.pace)
        else:
            self._staged.clear()
        self._step, self._look_at = None, 0.0

    def _late(self, step: Preparation | Activation) -> None:
        for slot in step.waiting:
            self.crew.end(slot)
        if isinstance(step, Preparation):
            self._refuse(step.version, f"a worker did not load it within {self._config.prepare_seconds:g} s")
        step.waiting.clear()

    def _refuse(self, version: Version, reason: str) -> None:
        self.refused[version] = reason
        self._step, self._litter, self._look_at = None, True, 0.0
        live = next((served.live for served in self.table if served.model == version.model), None)
        self._end_rollout(version)
        goes_on = f"{live} stays live" if live else f"{version.model} is not served"
        log.warning(f"{version.model} {version.version} is refused: {reason}; {goes_on}")

    def _attempt(self, move: Callable[[], None]) -> None:
        """Move a rollout; where that fails, say so once, and all goes on as it is until it is tried again."""
        why = ""
        try:
            move()
        except (EyasError, OSError) as error:
            why = f"a rollout cannot be moved now: {error}"
        if why and why != self._unmoved:
            log.warning(why)
        self._unmoved = why

    def _rest(self, *troubles: str) -> None:
        """Nothing can be done before the repository changes."""
        if self._staged or self._litter:  # what has been prepared in vain
            self._staged.clear()
            self._litter = False
            self.crew.tell(Activate(0, self.table))
        for trouble in set(troubles) - self._said:
            log.warning(f"{trouble}; what is loaded goes on")
        self._said = set(troubles)
        self.rested = True
        self.wishes.answer(troubles)


def _is_there(version: Version) -> bool:
    """Whether a version's folder is there, or cannot be looked at now."""
    try:
        return Path(version.path).is_dir()
    except OSError:
        return True
