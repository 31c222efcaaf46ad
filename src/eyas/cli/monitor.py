"""The watching verbs: monitor, feedback. They talk to a running service, and need neither torch nor ONNX Runtime."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from eyas.cli.words import AsJson, AsJsonLines, print_json, tell
from eyas.core.errors import InputError, needs_extra

Url = Annotated[
    str | None,
    typer.Option(help="Where the service is; EYAS_URL where left out. The token is EYAS_TOKEN's.", metavar="URL"),
]
AT_ONCE = 1000  # labels in one request
PATIENCE = 5.0  # seconds that a look may take


def monitor(
    url: Url = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(help="With --follow: seconds between two looks.", min=0.1)] = 1.0,
    as_json: AsJsonLines = False,
) -> None:
    """Say what a service knows of its predictions: drift and since when, images unlike any before, accuracy, rollouts.

    Example: eyas monitor --follow --url http://localhost:5000
    """
    with needs_extra("client"):
        from eyas.client import Client
    from eyas.core import console

    if follow:
        from eyas.cli import monitor_follow

        with Client(url, timeout=PATIENCE, connect_timeout=PATIENCE, tries=1) as client:
            monitor_follow.follow(client, every, console.out, as_json=as_json)
        return
    with Client(url) as client:
        found = client.monitor()
    if as_json:
        print_json(found)
        return
    from rich.text import Text

    from eyas.cli.monitor_view import parts

    for part in parts(found):
        console.out.print(part, soft_wrap=isinstance(part, Text))


def feedback(
    labels: Annotated[
        list[str],
        typer.Argument(help="ID=CLASS, or a CSV file with the columns id and label.", metavar="ID=CLASS|FILE..."),
    ],
    url: Url = None,
    model: Annotated[str, typer.Option(help="Of the service's models; its default where left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Tell a service what images truly showed, by the ids of its answers. `eyas monitor` then knows its accuracy.

    Example: eyas feedback 3f2a…=cat labels.csv --url http://localhost:5000
    """
    with needs_extra("client"):
        from eyas.client import Client

    told: dict[str, str] = {}
    for word in labels:
        told |= _read(Path(word)) if Path(word).is_file() else _pair(word)
    if not told:
        raise InputError(f"there must be at least one label, {', '.join(labels)} has none")
    received = 0
    with Client(url) as client:
        names = list(told)
        for start in range(0, len(names), AT_ONCE):
            received += client.feedback({name: told[name] for name in names[start : start + AT_ONCE]}, model=model)
    tell(as_json, {"sent": len(told), "kept": received}, f"{received} labels were kept")


def _pair(word: str) -> dict[str, str]:
    name, mark, label = word.rpartition("=")
    if not mark:
        raise InputError(f"{word} must be ID=CLASS or a CSV file with the columns id and label; there is no such file")
    return {name: label}


def _read(file: Path) -> dict[str, str]:
    """A CSV file's rows.

    Raises:
        InputError: it lacks a column.
    """
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.DictReader(lines)
        if missing := {"id", "label"} - {*(rows.fieldnames or ())}:
            raise InputError(f"{file} must have the columns id and label, lacks {' and '.join(sorted(missing))}")
        return {row["id"]: row["label"] for row in rows}
