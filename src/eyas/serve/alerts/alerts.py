"""All of it, as the watcher has it: look, tell, remember."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from socket import gethostname
from urllib.parse import urlsplit

from eyas.core.schema import MonitoringConfig
from eyas.serve.alerts.courier import Courier
from eyas.serve.alerts.events import Event
from eyas.serve.alerts.memory import Kept
from eyas.serve.alerts.moves import Moves
from eyas.serve.alerts.noticing import Noticing
from eyas.serve.alerts.receivers import receivers
from eyas.serve.messages import Table
from eyas.serve.monitor_status import MonitorStatus, ReceiverStatus

CLOSE_SECONDS = 2.0  # for all receivers together, once the service stops
EVERYWHERE = ("0.0.0.0", "::")  # where a service may listen, and nobody can find it
log = logging.getLogger("eyas.serve")


class Alerts:
    """Used by one thread; what is sent is sent by others.

    Args:
        url: of the service, as it listens.
        since: what happened before is no news, unless it is remembered: seconds since 1970.
    """

    def __init__(self, config: MonitoringConfig, url: str, since: float) -> None:
        place = urlsplit(url)
        service = f"{gethostname()}:{place.port}"
        if place.hostname in EVERYWHERE:
            url = f"{place.scheme}://{service}"
        self._kept = Kept(Path(config.folder) if config.folder else None)
        self._memory = self._kept.load()
        self._noticing = Noticing(service, self._memory)
        self._moves = Moves(service, self._memory, since)
        waiting = self._memory.waiting
        self._couriers = [Courier(one, waiting.get(one.address.key, ())) for one in receivers(config, url)]

    def look(self, status: MonitorStatus, table: Table, now: float) -> bool:
        """Tell what is new; gives whether anything was.

        Args:
            table: what is served.
            now: seconds since 1970.

        Raises:
            OSError: what was told cannot be remembered; it is told all the same.
        """
        told = False
        for event in chain(self._noticing.look(status, now), self._moves.look(table)):
            self._tell([event])
            told = True
        self._tell([])
        self._save()
        return told

    def status(self) -> list[ReceiverStatus]:
        """Of each receiver."""
        return [courier.status() for courier in self._couriers]

    def close(self) -> None:
        """The service stops. What is not taken soon is remembered.

        Raises:
            OSError: it cannot be.
        """
        for courier in self._couriers:
            courier.close(CLOSE_SECONDS / len(self._couriers))
        self._save()
        if not self._kept.lasting and (left := sum(len(one.waiting()) for one in self._couriers)):
            log.warning(f"{left} alerts were not taken and are lost; serve.monitor.folder would keep them")

    def _tell(self, events: Sequence[Event]) -> None:
        standing = [*self._memory.standing.values()]
        for courier in self._couriers:
            courier.put(events, standing)

    def _save(self) -> None:
        self._memory.waiting = {one.receiver.address.key: one.waiting() for one in self._couriers}
        self._kept.save(self._memory)
