"""The watching verbs: monitor, feedback. They talk to a running service, and need neither torch nor ONNX Runtime."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from eyas.cli.words import AsJson, print_json
from eyas.core.errors import InputError, needs_extra

Url = Annotated[
    str | None,
    typer.Option(help="Where the service is; EYAS_URL where left out. The token is EYAS_TOKEN's.", metavar="URL"),
]
AT_ONCE = 1000  # labels in one request


def monitor(url: Url = None, as_json: AsJson = False) -> None:
    """Say what a service knows of its predictions: drift and since when, images unlike any before, accuracy.

    Example: eyas monitor --url http://localhost:5000
    """
    with needs_extra("client"):
        from eyas.client import Client

    with Client(url) as client:
        found = client.monitor()
    if as_json:
        print_json(found)
        return
    from eyas.core import console

    columns = ("model", "version", "predictions", "watched", "review", "unknown", "drift", "accuracy")
    console.out.print(console.table("", columns, [_row(one) for one in found["versions"]]))
    for one in found["versions"]:
        for alarm in reversed(one["alarms"][:5]):
            typer.echo(f"{alarm['raised']}  {one['model']} {one['version']}: {_said(alarm)}")
        if one["why_not"]:
            typer.echo(f"{one['model']} {one['version']} is not watched: {one['why_not']}")
    if store := found["store"]:
        typer.echo(_kept(store))
    if found["lost"]:
        typer.echo(f"{found['lost']} predictions were not told to the monitor, for want of time")


def feedback(
    labels: Annotated[
        list[str],
        typer.Argument(help="ID=CLASS, or a CSV file with the columns id and label.", metavar="ID=CLASS|FILE..."),
    ],
    url: Url = None,
    model: Annotated[str, typer.Option(help="Of the service's models; its default where left out.")] = "",
) -> None:
    """Tell a service what images truly showed, by the ids of its answers. `eyas monitor` then knows its accuracy.

    Example: eyas feedback 3f2a…=cat labels.csv --url http://localhost:5000
    """
    with needs_extra("client"):
        from eyas.client import Client

    told: dict[str, str] = {}
    for word in labels:
        told |= _pair(word) if "=" in word and not Path(word).is_file() else _read(Path(word))
    if not told:
        raise InputError(f"there must be at least one label, {', '.join(labels)} has none")
    received = 0
    with Client(url) as client:
        names = list(told)
        for start in range(0, len(names), AT_ONCE):
            received += client.feedback({name: told[name] for name in names[start : start + AT_ONCE]}, model=model)
    typer.echo(f"{received} labels were kept")


def _pair(word: str) -> dict[str, str]:
    name, _, label = word.rpartition("=")
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


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    count = one["predictions"] or 1
    return (
        one["model"],
        one["version"],
        f"{one['predictions']:,}",
        f"{one['watched']:,}",
        f"{one['needs_review'] / count:.1%}",
        f"{one['unknown'] / count:.1%}",
        one["drift"],
        _accuracy(one["feedback"]),
    )


def _accuracy(feedback: dict[str, Any] | None) -> str:
    if feedback is None:
        return "no store"
    if not feedback["labels"]:
        return "no labels yet"
    share = f"{feedback['accuracy']:.1%} ({feedback['lower']:.1%} to {feedback['upper']:.1%})"
    return f"{share} of {feedback['labels']:,}"


def _said(alarm: dict[str, Any]) -> str:
    classes = ", ".join(f"{one['label']} {one['before']:.1%} → {one['since']:.1%}" for one in alarm["classes"][:5])
    examples = ", ".join(alarm["examples"][:3])
    return (
        f"{alarm['kind']}, by {', '.join(alarm['streams'])}, since prediction {alarm['since']} of {alarm['at']}"
        f"{f'; {classes}' if classes else ''}{f'; for example {examples}' if examples else ''}"
    )


def _kept(store: dict[str, Any]) -> str:
    dropped = ", ".join(f"{count} {reason}" for reason, count in store["dropped"].items())
    return (
        f"{store['written']:,} predictions are in {store['place']}"
        f"{f'; dropped: {dropped}' if dropped else ''}{_now(store)}"
    )


def _now(store: dict[str, Any]) -> str:
    return f"; now: {store['trouble']}" if store["trouble"] else ""
