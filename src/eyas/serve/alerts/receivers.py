"""Who can be told, and in which form."""

from __future__ import annotations

from collections.abc import Sequence
from time import time
from typing import Any, ClassVar, Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from eyas.core.errors import ConfigError
from eyas.core.moments import iso
from eyas.core.schema import MonitoringConfig
from eyas.core.schema.addresses import is_left_out, shown
from eyas.serve.alerts.events import Event
from eyas.serve.alerts.posting import Address, post

AGAIN_SECONDS = 60.0  # between two times that Alertmanager is told of what goes on, as Prometheus does
GOES_ON_SECONDS = 240.0  # without a word, Alertmanager takes it that a condition is over
MOVE_SECONDS = 900.0  # that the move of a rollout is shown
TITLES = {
    "drift": ("EyasDrift", "Predictions have drifted"),
    "low_accuracy": ("EyasAccuracyFell", "Accuracy is below the held-out one"),
    "store_trouble": ("EyasStoreTrouble", "Predictions cannot be stored"),
    "rollout": ("EyasRollout", "A rollout has moved"),
}


class Receiver(Protocol):
    """Where events go."""

    kind: ClassVar[Literal["webhook", "alertmanager"]]
    every: ClassVar[float | None]
    """Seconds between two reminders; None: it needs none."""

    @property
    def address(self) -> Address:
        """Where it is."""

    def tell(self, event: Event) -> None:
        """Send it an event.

        Raises:
            DeliveryError: it did not take it.
        """

    def remind(self, standing: Sequence[Event]) -> None:
        """Send it what goes on.

        Raises:
            DeliveryError: it did not take it.
        """


class Webhook:
    """Takes an event a request."""

    kind: ClassVar[Literal["webhook", "alertmanager"]] = "webhook"
    every: ClassVar[float | None] = None

    def __init__(self, address: Address) -> None:
        self.address = address

    def tell(self, event: Event) -> None:
        """See `Receiver`."""
        post(self.address, msgspec.json.encode(event), {"X-Eyas-Event": event.event, "X-Eyas-Event-Id": event.id})

    def remind(self, standing: Sequence[Event]) -> None:
        """It was told once; that is enough."""


class Alertmanager:
    """Prometheus's; told as Prometheus tells it.

    Args:
        url: of the service, for those who want to see more.
    """

    kind: ClassVar[Literal["webhook", "alertmanager"]] = "alertmanager"
    every: ClassVar[float | None] = AGAIN_SECONDS

    def __init__(self, address: Address, url: str) -> None:
        self.address, self._url = address, url
        place = urlsplit(address.url)
        self._to = Address(place._replace(path=f"{place.path.rstrip('/')}/api/v2/alerts").geturl())

    def tell(self, event: Event) -> None:
        """See `Receiver`."""
        self._post([event])

    def remind(self, standing: Sequence[Event]) -> None:
        """See `Receiver`."""
        if standing:
            self._post(standing)

    def _post(self, events: Sequence[Event]) -> None:
        now = time()
        post(self._to, msgspec.json.encode([alert(event, self._url, now) for event in events]), {})


def alert(event: Event, url: str, now: float) -> dict[str, Any]:
    """An event as `POST /api/v2/alerts` takes it. The end of a condition has the labels of its beginning.

    Args:
        url: of the service.
        now: seconds since 1970.
    """
    name, title = TITLES[event.condition]
    severity = event.severity if event.condition == "rollout" else "ticket"
    labels = {
        "alertname": name,
        "service": event.service,
        "severity": severity,
        "model": event.model,
        "version": event.version,
        "kind": event.details.get("kind"),
    }
    until = event.time if event.over else iso(now + (MOVE_SECONDS if event.condition == "rollout" else GOES_ON_SECONDS))
    of = f": {event.model} {event.version}" if event.model else ""
    return {
        "labels": {label: value for label, value in labels.items() if value},
        "annotations": {"summary": f"{title}{of}", "description": event.summary},
        "startsAt": event.since,
        "endsAt": until,
        "generatorURL": f"{url}/monitor",
    }


def check_addresses(config: MonitoringConfig) -> None:
    """Of all that the configuration names.

    Raises:
        ConfigError: it is a copy, such as a run's, without the secrets of an address.
    """
    named = {f"webhooks.{number}": one for number, one in enumerate(config.webhooks)}
    for name, one in (named | {"alertmanager": config.alertmanager or ""}).items():
        if is_left_out(one):
            raise ConfigError(f"serve.monitor.{name} was left out of a copy, which has {shown(one)}; give it again")


def receivers(config: MonitoringConfig, url: str) -> list[Receiver]:
    """All that the configuration names.

    Args:
        url: of the service.
    """
    found: list[Receiver] = [Webhook(Address(one, config.webhook_token_file)) for one in config.webhooks]
    return [*found, Alertmanager(Address(config.alertmanager), url)] if config.alertmanager else found
