"""The one way in which a revision takes over, whatever the platform.

what is live is noted ─ deploy, without traffic ─ smoke ─ shift to 10 % ─ smoke ─ 50 % ─ smoke ─ 100 % ─ smoke ─ done
                             └───────────┴──────── any failure, Ctrl-C, SIGTERM ────────┴─► what was noted is put back
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import sleep
from typing import Protocol

from eyas.core.errors import EyasError, ServingError
from eyas.deploy.shifting import signals

STAGES = (10, 50, 100)
BACK_TRIES = 3
BACK_PAUSE_SECONDS = 2.0
Smoke = Callable[[str], None]
"""Tests the service at a URL; raises where it is not what it should be."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Share:
    """What a revision has of the traffic."""

    revision: str
    percent: int


@dataclass(frozen=True)
class Revision:
    """A new revision, which runs."""

    name: str
    url: str | None
    """An address of its own; None where the platform has none before it gets traffic."""


class Platform(Protocol):
    """What a cloud can do. Each method returns once it is done, and raises a `ServingError` where it cannot be."""

    stages: Sequence[int]
    """Percents of the traffic that it can give, in rising order, 100 last."""

    @property
    def changed(self) -> bool:
        """Whether this roll-out may have changed anything that is live: it asked for that, and was not refused."""

    def live(self) -> tuple[Share, ...]:
        """Who has the traffic now; empty where the service does not exist yet."""

    def deploy(self) -> Revision:
        """Start the new revision beside what is live, which keeps all the traffic."""

    def shift(self, revision: Revision, percent: int) -> str:
        """Give it a share of the traffic; what was live keeps the rest. Gives the service's public URL."""

    def put_back(self, live: Sequence[Share], revision: Revision | None) -> bool:
        """Give all the traffic to what had it, and none to the new revision, as far as there is one.

        Returns:
            False, and nothing is done, where the traffic is not what this roll-out has set: it is another's now.
        """

    def retire(self, revision: Revision) -> None:
        """Stop what costs and has no traffic any more, now that the new revision has it all."""


def roll_out(platform: Platform, smoke: Smoke, say: Say, *, hold_seconds: float = 0.0) -> Revision:
    """Deploy, test and shift; or put back, which SIGINT and SIGTERM do not disturb. For the main thread.

    A revision is tested at its own address as long as others answer beside it, and at the service's once all the
    traffic is its own.

    Args:
        smoke: raises an `EyasError` where a service is not what it should be.
        say: told each step, for a log.
        hold_seconds: of each stage, with a test at its end.

    Raises:
        ServingError: it failed, and what was live before is live again, or nothing was changed; or it is not, and the
            message says so.
    """
    with signals.interrupted_once():
        revision = _advance(platform, smoke, say, hold_seconds)
        try:
            platform.retire(revision)
        except EyasError as trouble:  # what is live is as it should be
            say(f"what was superseded could not be stopped: {trouble}")
        return revision


def _advance(platform: Platform, smoke: Smoke, say: Say, hold_seconds: float) -> Revision:
    live = platform.live()
    say(f"live: {_named(live)}")
    revision: Revision | None = None
    try:
        revision = platform.deploy()
        say(f"{revision.name} is there{', without traffic' if live else ''}")
        if revision.url:
            smoke(revision.url)
            say(f"{revision.name} passed the smoke test")
        for percent in platform.stages if live else (100,):
            _stage(platform, revision, percent, smoke, hold_seconds)
            say(f"{revision.name} has {percent} % and passed the smoke test")
    except BaseException as error:
        signals.ignore()  # a second one would stop the putting back
        why = str(error) if isinstance(error, EyasError) else f"{type(error).__name__} {error}".strip()
        say(f"failed: {why}")
        raise ServingError(f"{why}; {_back(platform, live, revision, say)}") from error
    return revision


def _stage(platform: Platform, revision: Revision, percent: int, smoke: Smoke, hold_seconds: float) -> None:
    public = platform.shift(revision, percent)
    sleep(hold_seconds)
    smoke(public if percent == 100 or revision.url is None else revision.url)


def _back(platform: Platform, live: Sequence[Share], revision: Revision | None, say: Say) -> str:
    """Put back what was live; gives how things stand now."""
    if not live:
        return "nothing was live before, so that there is nothing to go back to"
    if not platform.changed:
        return "and nothing was changed"
    for left in reversed(range(BACK_TRIES)):
        try:
            if not platform.put_back(live, revision):
                return f"{_named(live)} was NOT put back: somebody else has changed the traffic meanwhile"
        except EyasError as trouble:
            say(f"cannot put back {_named(live)}: {trouble}")
            if not left:
                return f"and {_named(live)} could NOT be put back ({trouble}): do it by hand, now"
            sleep(BACK_PAUSE_SECONDS)
        else:
            break
    say(f"live again: {_named(live)}")
    return f"{_named(live)} is live again"


def _named(live: Sequence[Share]) -> str:
    return ", ".join(f"{one.revision} {one.percent} %" for one in live) or "nothing"


def taken(service: str) -> ServingError:
    """What a platform raises where it is to shift traffic that is not as this roll-out has set it."""
    return ServingError(f"somebody else has changed the traffic of {service} meanwhile")


def scaled(shares: Sequence[Share], total: int) -> list[Share]:
    """Shares of 100 made shares of `total`, whole percents: the first takes what rounding leaves."""
    rest = [Share(one.revision, one.percent * total // 100) for one in shares[1:]]
    return [Share(shares[0].revision, total - sum(one.percent for one in rest)), *rest]
