"""The next one or two commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from eyas.cli.road.place import Model, Place, Run, Study

MOST = 2


@dataclass(frozen=True)
class Step:
    """A command to copy."""

    command: str
    why: str


def advise(place: Place) -> tuple[Step, ...]:
    """What comes next, the nearest first: what is under way, then the newest run or study, then what serves."""
    steps = list(dict.fromkeys(_steps(place)))
    return tuple(steps[:MOST]) if steps else _beginning()


def _steps(place: Place) -> Iterator[Step]:
    if place.unreadable:
        yield Step(f"${{EDITOR:-vi}} {place.unreadable}", "mend it: no other step runs before")
        return
    for model in place.models:
        if model.rollout:
            yield Step(_line("rollout status", model.repository, model.name), f"a rollout is {model.rollout}")
    studies = [study for study in place.studies if not study.finished][:1]
    newer = [study for study in studies if not place.runs or study.written >= place.runs[0].written]
    yield from map(_going_on, newer)
    if place.runs:
        yield from _after_run(place.runs[0], place.models)
    for model in place.models:
        yield from _serving(model, watched=bool(place.monitors))
    if place.bundles:
        yield Step(_line("serve", place.bundles[0]), "answer over HTTP")
    if not newer:
        yield from map(_going_on, studies)
    if not place.runs:
        yield from _training(place)


def _going_on(study: Study) -> Step:
    if study.active:
        return Step("eyas", f"look again: {study.path} is being searched")
    return Step(_line(f"{study.kind} --resume", study.path), "go on with the study that was stopped")


def _after_run(run: Run, models: tuple[Model, ...]) -> Iterator[Step]:
    if run.active:
        yield Step("eyas", f"look again: {run.path} {activity(run)}")
        return
    if not run.finished:
        yield Step(_line("train --resume", run.path), "go on where it stopped")
        return
    if run.accuracy is None:
        yield Step(_line("evaluate", run.path), "measure it on the test images")
    if not run.exported:
        yield Step(_line("diagnose", run.path), "what is wrong, how sure, what to do")
        yield Step(_line("export", run.path), "a bundle that is proved to answer the same")
        return
    if not models:
        yield Step(_line("serve", run.path), "answer over HTTP; /docs is its documentation")
        yield Step(_line("models publish", run.path, "models") + " --live", "versions that a service follows")
    elif run.version:
        yield from _next_version(run, run.version, models)


def _next_version(run: Run, version: str, models: tuple[Model, ...]) -> Iterator[Step]:
    """Into the repository, and then by degrees to the requests."""
    published = [model for model in models if version in model.versions]
    same = [model for model in models if model.name == run.model]
    if not published:
        yield Step(_line("models publish", run.path, (same or models)[0].repository), "one more version")
    for model in published or same:
        if model.live not in (None, version) and not model.rollout and not model.unreadable and model.tried != version:
            yield Step(_line("rollout start", model.repository, model.name, version), "let it take over by degrees")


def _serving(model: Model, *, watched: bool) -> Iterator[Step]:
    if model.unreadable:
        yield Step(_line("models list", model.repository), f"what is wrong: {model.name} cannot be read")
        return
    if model.live is None:
        yield Step(_line("models live", model.repository, model.name, model.versions[-1]), "let it answer")
        return
    yield Step(_line("serve", model.repository), "answer over HTTP with the live versions")
    if watched:
        yield Step("eyas monitor --url http://localhost:5000", "drift and accuracy of a service that runs")


def _training(place: Place) -> Iterator[Step]:
    if place.settings and place.source:
        yield Step(_line("data check", place.source), "look at the data first")
        yield Step("eyas train", f"by {place.settings}")
    elif place.data:
        yield Step(_line("data check", place.data[0]), "look at the data first")
        yield Step(_line("train", place.data[0], "model=cnn"), "train a network")
    elif place.settings:
        yield Step("eyas train DATA", f"by {place.settings}, which names no data: a folder, or digits")


def _beginning() -> tuple[Step, ...]:
    return (
        Step("eyas demo", "the whole road on built-in digits, in under two minutes"),
        Step("eyas init", "write a commented eyas.yaml"),
        Step("eyas data check FOLDER", "your images: a sub-folder for each class"),
    )


def activity(run: Run) -> str:
    """What an active run does, as far as it can be known."""
    return "is training" if run.state == "running" else "may be training"


def _line(verb: str, *words: str) -> str:
    """A word that begins as an option does is written as the path that it is."""
    return " ".join(["eyas", verb, *(shlex.quote(f"./{word}" if word.startswith("-") else word) for word in words)])
