"""`eyas monitor --follow`: a look at a service every second, drawn anew in a terminal, as lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic, sleep
from typing import TYPE_CHECKING

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from eyas.cli.monitor_view import Rates, State, alarms, parts, plain
from eyas.cli.words import print_json
from eyas.core.errors import ServiceError

if TYPE_CHECKING:
    from eyas.client import Client

ITS_FAULT = {*range(400, 500)} - {408, 425, 429}  # of HTTP: it will be the same the next time


@dataclass(frozen=True)
class Look:
    """What is known at one moment."""

    when: datetime
    found: State | None = None
    """None: the service has not answered yet."""
    at: float = 0.0
    """When it answered, on the monotonic clock."""
    rates: Rates = field(default_factory=dict)
    trouble: str | None = None
    """Why it does not answer now."""


def follow(client: Client, every: float, console: Console, *, as_json: bool = False) -> None:
    """Show the service until Ctrl-C.

    Args:
        every: seconds between two looks.
        as_json: a line of JSON for each look: `time`, and `monitor` or, where there was no answer, `trouble`.

    Raises:
        ServiceError: it answers that this cannot be asked of it.
    """
    try:
        if as_json:
            _print_json(client, every)
        elif console.is_terminal:
            _redraw(client, every, console)
        else:
            _print(client, every)
    except KeyboardInterrupt:  # it is how this ends
        return


def looks(client: Client, every: float) -> Iterator[Look]:
    """One after the other; a service that does not answer is asked again.

    Raises:
        ServiceError: see `follow`.
    """
    last = Look(datetime.now())
    while True:
        began = monotonic()
        last = _look(client, last)
        yield last
        sleep(max(0.0, began + every - monotonic()))


def _look(client: Client, last: Look) -> Look:
    try:
        found = client.monitor()
    except ServiceError as error:
        if error.status in ITS_FAULT:
            raise
        return replace(last, when=datetime.now(), rates={}, trouble=error.detail or str(error))
    now = monotonic()
    return Look(datetime.now(), found, now, _rates(last.found, found, now - last.at))


def _rates(before: State | None, now: State, seconds: float) -> Rates:
    """Of versions that were there before, unless the monitor began to count anew."""
    counted = {(one["model"], one["version"]): one["predictions"] for one in (before or {"versions": []})["versions"]}
    more = {(one["model"], one["version"]): one["predictions"] for one in now["versions"]}
    return {
        who: (count - counted[who]) / seconds for who, count in more.items() if count >= counted.get(who, count + 1)
    }


def _redraw(client: Client, every: float, console: Console) -> None:
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        for look in looks(client, every):
            live.update(screen(look), refresh=True)


def screen(look: Look) -> Group:
    """All that fits, the time first."""
    head = Text.assemble((f"{look.when:%H:%M:%S}", "bold"), ("  Ctrl-C ends this", "dim"))
    lines = [Text(f"no answer, trying again: {look.trouble}", "bold red")] if look.trouble else []
    return Group(head, *lines, *(parts(look.found, look.rates) if look.found else ()))


def _print_json(client: Client, every: float) -> None:
    for look in looks(client, every):
        when = look.when.astimezone().isoformat(timespec="milliseconds")
        found = {"trouble": look.trouble} if look.trouble else {"monitor": look.found}
        print_json({"time": when, **found}, line=True)


def _print(client: Client, every: float) -> None:
    """Alarms are printed once."""
    said: set[str] = set()
    for look in looks(client, every):
        when = f"{look.when:%Y-%m-%dT%H:%M:%S}"
        if look.trouble or look.found is None:
            typer.echo(f"{when}  no answer, trying again: {look.trouble}")
            continue
        for line in plain(look.found, look.rates):
            typer.echo(f"{when}  {line}")
        for line in alarms(look.found):
            if line not in said:
                said.add(line)
                typer.echo(f"alarm of {line}")
