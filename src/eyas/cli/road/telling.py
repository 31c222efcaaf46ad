"""What was found, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from textwrap import shorten

import typer

from eyas.cli.road.advice import Step, activity, advise
from eyas.cli.road.look import look
from eyas.cli.road.place import Model, Place, Run
from eyas.cli.words import print_json

SHOWN = 5  # of a kind
WIDTH = 12
LONGEST = 200  # characters that are told of a broken file


def show(as_json: bool) -> None:
    """Look around here, and say it."""
    place = look(Path())
    steps = advise(place)
    if as_json:
        road = [{"stage": name, "done": done} for name, done in stages(place)]
        print_json({"road": road, **asdict(place), "next": [asdict(step) for step in steps]})
        return
    for line in tell(place, steps):
        typer.echo(line)


def stages(place: Place) -> list[tuple[str, bool]]:
    """The stages of the road, and whether each is behind you."""
    trained = any(run.finished for run in place.runs)
    exported = bool(place.bundles or place.models or any(run.exported for run in place.runs))
    return [
        ("data", bool(place.data or place.source or place.runs)),
        ("train", trained),
        ("evaluate", any(run.accuracy is not None for run in place.runs)),
        ("export", exported),
        ("publish", any(model.live for model in place.models)),
        ("monitor", bool(place.monitors)),
    ]


def tell(place: Place, steps: tuple[Step, ...]) -> Iterator[str]:
    """Lines for people."""
    yield "road        " + " → ".join(f"{name} ✓" if done else name for name, done in stages(place))
    found = [*_found(place)]
    if not found:
        yield "here        nothing of eyas yet"
    said = ""
    for name, line in found:
        yield f"{'' if name == said else name:<{WIDTH}}{line}"
        said = name
    yield "\nnext"
    width = max(len(step.command) for step in steps) + 2
    for step in steps:
        yield f"  {step.command:<{width}}{step.why}"
    yield "\n`eyas --help` lists all commands"


def _found(place: Place) -> Iterator[tuple[str, str]]:
    if place.settings:
        yield "settings", place.settings + (f", data: {place.source}" if place.source else ", which names no data")
    for name, found in (("data", place.data), ("bundles", place.bundles), ("monitors", place.monitors)):
        if found:
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            yield name, ", ".join(found[:SHOWN]) + more
    for run in place.runs[:SHOWN]:
        yield "runs", _run(run)
    if older := len(place.runs[SHOWN:]) + place.more_runs:
        yield "runs", f"and {older} older"
    for study in place.studies[:SHOWN]:
        state = "finished" if study.finished else "goes on" if study.active else "not finished"
        yield "studies", f"{study.path}: {study.kind}, {state}"
    for model in place.models[:SHOWN]:
        yield "models", _model(model)
    for trouble in place.broken[:SHOWN]:
        yield "broken", shorten(trouble, LONGEST, placeholder=" …")
    if more_broken := len(place.broken[SHOWN:]):
        yield "broken", f"and {more_broken} more"


def _run(run: Run) -> str:
    if not run.finished:
        ended = run.state if run.state in ("failed", "paused", "killed") else "stopped"
        return f"{run.path}: {activity(run) if run.active else ended}, {run.epochs} of {run.planned} epochs"
    measured = "not evaluated" if run.accuracy is None else f"test accuracy {run.accuracy:.2%}"
    return f"{run.path}: {'imported' if run.imported else 'trained'}, {measured}{', exported' if run.exported else ''}"


def _model(model: Model) -> str:
    count = len(model.versions)
    live = f"{model.live} is live" if model.live else "unreadable" if model.unreadable else "none is live"
    rollout = f"; a rollout is {model.rollout}" if model.rollout else ""
    return f"{model.repository}: {model.name}, {count} version{'s' * (count > 1)}, {live}{rollout}"
