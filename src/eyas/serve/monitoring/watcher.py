"""The watcher: a process beside the workers that hears of every prediction, tests, counts, stores and tells.

worker ─ answers ─► channel ─► watcher ─┬─ drift tests ─► alarms: log, file, /metrics, board
                                        ├─ prediction store
                                        ├─ alerts ─► webhooks, Alertmanager
                                        └─ board ─► GET /monitor of any worker

It may be killed at any moment: predictions go on, the supervisor starts another, and that one takes up the tests where
they were last saved and what is still on its way.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic, time

import msgspec

from eyas.bundle import open_bundle
from eyas.core import io
from eyas.core.errors import EyasError
from eyas.core.marks import STATUS
from eyas.core.schema import MonitoringConfig
from eyas.monitor.store import Outcome
from eyas.serve.alerts import Alerts
from eyas.serve.messages import Activate, Table, Version, receive, send
from eyas.serve.metrics import Tables
from eyas.serve.metrics.families import LOST, PID
from eyas.serve.metrics.shared import Series
from eyas.serve.monitor_status import AccuracyStatus, MonitorStatus, RolloutStatus, StoreStatus
from eyas.serve.monitoring.accuracy import Accuracies
from eyas.serve.monitoring.board import Board
from eyas.serve.monitoring.channel import Channel
from eyas.serve.monitoring.counts import BoardCounts, LabelCounts, VersionCounts
from eyas.serve.monitoring.keeping import Keeper, place_of, unopened
from eyas.serve.monitoring.trials import Trials
from eyas.serve.monitoring.watched import Watched
from eyas.serve.monitoring.wire import Rows, decode

TOLD_SECONDS = 0.5  # between two times that the board is written
AT_ONCE = 64  # messages between two looks at the clock
LINGER_SECONDS = 30.0  # for the last answers of a version that has left
POLITE = 5  # of nice: predictions come first
log = logging.getLogger("eyas.serve")


@dataclass(frozen=True)
class Post:
    """The watcher's, among the processes of a service."""

    slot: int
    """Of its table."""
    tables: Tables
    channel: Channel
    board: Board
    pipe: Connection
    """To the supervisor, who tells which versions are served."""
    url: str
    """Of the service, as it listens."""
    since: float
    """When it began to watch, or the watcher before it ended: seconds since 1970."""


def watch(table: Table, config: MonitoringConfig, post: Post) -> None:
    """Until the supervisor closes the pipe; then what is on its way is taken in, and the state saved."""
    os.nice(POLITE)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the workers' last answers come after these
    watcher = Watcher(table, config, post)
    watcher.run()


class Watcher:
    """See the module.

    Args:
        table: what is served at first.
    """

    def __init__(self, table: Table, config: MonitoringConfig, post: Post) -> None:
        self._config, self._post = config, post
        self._counts = post.tables.counts(post.slot)
        self._counts.row((PID, "monitor"))[0] = os.getpid()
        self._folder = Path(config.folder) if config.folder else None
        self._table: Table = ()
        self._places: dict[tuple[str, str], Version] = {}
        self._watched: dict[tuple[str, str], Watched | None] = {}
        self._left: dict[tuple[str, str], float] = {}  # no longer served, and when to let go of them
        self._said: set[str] = set()
        self._accuracy, self._trials = Accuracies(), Trials(post.tables)
        self._labels, self._totals = LabelCounts(self._counts), BoardCounts(self._counts)
        self._rollouts: list[RolloutStatus] = []
        self._keeper: Keeper | None = None
        if place := place_of(config):
            self._attempt("predictions are not stored", lambda: self._keep(place))
        told = bool(config.webhooks or config.alertmanager)
        self._alerts = Alerts(config, post.url, post.since) if told else None
        self._tell_at = self._save_at = 0.0
        self._serve(table)

    def run(self) -> None:
        """Until the pipe is closed."""
        going, pipe, inbox = True, self._post.pipe, self._post.channel.reading
        while going:
            ready = wait([pipe, inbox], timeout=max(0.0, self._tell_at - monotonic()))
            if pipe in ready:
                message = receive(pipe)
                going = message is not None
                if isinstance(message, Activate):
                    self._serve(message.table)
            self._take_in(AT_ONCE)
            self._tell()
        while self._take_in(AT_ONCE):
            pass
        self._tell_at = self._save_at = 0.0
        if self._keeper:
            self._keeper.close()
        self._tell()
        if self._alerts:
            self._attempt("alerts cannot be kept", self._alerts.close)

    def status(self) -> MonitorStatus:
        """As the board shows it."""
        stored = self._stored()  # first: where it says that all labels have been read, the accuracies are of all
        versions = [
            one.status(self._accuracy_of(*who)) for who, one in self._watched.items() if one and who in self._places
        ]
        lost = self._post.tables.total().get((LOST.name,), [0.0])[0]
        alerts = self._alerts.status() if self._alerts else []
        return MonitorStatus(versions, int(lost), stored, self._rollouts, alerts)

    def _accuracy_of(self, model: str, version: str) -> AccuracyStatus | None:
        return self._accuracy.of(model, version) if self._keeper else None

    def _stored(self) -> StoreStatus | None:
        if self._keeper:
            return self._keeper.status()
        return unopened(place) if (place := place_of(self._config)) else None

    def _keep(self, place: str) -> None:
        def met(outcomes: Sequence[Outcome], last: int) -> None:
            self._labels.met(outcomes, last)
            self._accuracy.met(outcomes)
            self._trials.met(outcomes)

        self._keeper = Keeper(place, self._config, self._labels.begin, met)

    def _take_in(self, most: int) -> bool:
        """Up to so many messages; gives whether there may be more."""
        for _ in range(most):
            if (message := self._post.channel.receive()) is None:
                return False
            self._attempt("a message of a worker is lost", lambda: self._take(decode(message)))
        return True

    def _take(self, rows: Rows) -> None:
        self._trials.take(rows, time())
        if watched := self._of(rows.model, rows.version):
            watched.take(rows)

    def _of(self, model: str, version: str) -> Watched | None:
        """None: its bundle cannot be read, which has been told."""
        who = model, version
        if who not in self._watched and who in self._places:
            self._watched[who] = None
            self._attempt(f"{model} {version} is not watched", lambda: self._begin(self._places[who]))
        return self._watched.get(who)

    def _begin(self, version: Version) -> None:
        bundle = open_bundle(Path(version.path))
        folder = self._folder / version.model / version.version if self._folder else None
        counts = VersionCounts(self._counts, version.model, version.version, bundle.classes)
        self._watched[version.model, version.version] = Watched(
            version.model, bundle, self._config, counts, folder, self._keeper
        )

    def _serve(self, table: Table) -> None:
        """These are served from now on."""
        now = {(one.model, one.version): one for served in table for one in served.versions}
        self._table, self._places = table, now
        for who in self._watched.keys() - now.keys():
            self._left.setdefault(who, monotonic() + LINGER_SECONDS)
        for who in self._left.keys() & now.keys():
            del self._left[who]
        self._counts.keep(self._is_told)
        for who in now:
            self._of(*who)
        self._trials.serve(table, self._attempt)

    def _tell(self) -> None:
        """The board, after the last drift tests; and now and then the state."""
        now = monotonic()
        if now >= self._tell_at:
            self._tell_at = now + TOLD_SECONDS
            for watched in self._watched.values():
                if watched:
                    self._attempt("the drift tests fail", watched.test)
            self._attempt("the rollouts cannot be judged", self._judge)
            self._let_go(now)
            status = self.status()
            self._attempt("the board cannot be counted", lambda: self._totals.tell(status))
            self._attempt("alerts cannot be told", lambda: self._alert(status))
            if not self._post.board.write(msgspec.json.encode(status)):  # too long: alarms are in their files, too
                for one in status.versions:
                    one.alarms = []
                self._post.board.write(msgspec.json.encode(status))
        if now >= self._save_at:
            self._save_at = now + self._config.save_seconds
            for watched in self._watched.values():
                if watched:
                    self._attempt("the monitor's state cannot be saved", watched.save)
            if (folder := self._folder) is not None:
                said = msgspec.json.encode(self.status())
                self._attempt("what the monitor says cannot be kept", lambda: io.write_bytes(folder / STATUS, said))

    def _alert(self, status: MonitorStatus) -> None:
        if self._alerts and self._alerts.look(status, self._table, time()):
            self._save_at = 0.0  # what was told is not to be found once more

    def _judge(self) -> None:
        found = [*self._trials.judge(time())]
        self._rollouts = [status for status, _ in found]
        for _, decided in found:
            if decided:
                send(self._post.pipe, decided)

    def _let_go(self, now: float) -> None:
        """Of versions whose last answers have come long since."""
        gone = [who for who, at in self._left.items() if now > at]
        for who in gone:
            del self._left[who]
            if watched := self._watched.pop(who, None):
                self._attempt("the monitor's state cannot be saved", watched.save)
        if gone:
            self._counts.keep(self._is_told)

    def _is_told(self, series: Series) -> bool:
        """By Prometheus: what is of no version, of one that is served, or of one whose last answers may still come."""
        return len(series) < 3 or series[1:3] in self._places or series[1:3] in self._left

    def _attempt(self, otherwise: str, work: Callable[[], None]) -> None:
        """Do it; where it fails, say so once and go on: nothing here may stop the rest."""
        try:
            work()
        except Exception as error:
            why = f"{otherwise}: {error if isinstance(error, EyasError | OSError) else repr(error)}"
            if why not in self._said:
                self._said.add(why)
                log.warning(why, exc_info=None if isinstance(error, EyasError | OSError) else error)
