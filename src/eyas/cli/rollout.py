"""`eyas rollout`: a new version takes over by degrees, watched by the service, and is taken back where it is worse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.cli import completion
from eyas.cli.models import Model, Repo
from eyas.cli.words import AsJson, print_json, tell
from eyas.core.errors import ConfigError, DataError, MissingExtraError, RolloutError, needs_extra

if TYPE_CHECKING:
    from eyas.bundle import Repository
    from eyas.rollout import Entry, GateReport, Move, Rollout, RolloutPlan, RolloutStore

Challenger = Annotated[
    str, typer.Argument(help="The version that is to take over.", metavar="VERSION", autocompletion=completion.versions)
]
Why = Annotated[str, typer.Option("--why", help="Kept in the history.")]
Data = Annotated[
    str | None,
    typer.Option(
        help="Whose test images both versions answer, as data.source has it; those beside the challenger's training "
        "where left out.",
        metavar="DATA",
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Option("--set", help="A key of the plan: margin=0.02, stage_seconds=3600, …", metavar="KEY=VALUE"),
]
WORDS = {True: "passed", False: "failed", None: "not measured"}
app = typer.Typer(
    help="Let a new version take over by degrees; the service that serves the repository deals out the requests, "
    "judges, and takes it back where it is worse.\n\n"
    "Example: eyas rollout start models digits 2 --canary 5%; eyas rollout status models digits",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def check(
    repository: Repo,
    model: Model,
    challenger: Challenger,
    data: Data = None,
    plan: Keys = None,
    as_json: AsJson = False,
) -> None:
    """Ask the gate whether a version may take over: accuracy, every class, calibration and latency beside the live one.

    Both answer the same test images on this machine. Exit code 1: it may not.

    Example: eyas rollout check models digits 2 --set margin=0.05
    """
    found = _open(repository, model)
    report = _judge(found, model, _plan(found, model, challenger, _values(plan or [])), data)
    if as_json:
        print_json(report.to_json())
    else:
        for line in _gate_lines(report.to_json()):
            typer.echo(line)
        typer.echo(f"{challenger} {'passes' if report.passed else 'does not pass'}")
    if not report.passed:
        raise typer.Exit(1)


@app.command()
def start(
    repository: Repo,
    model: Model,
    challenger: Challenger,
    shadow: Annotated[bool, typer.Option("--shadow", help="Ask it beside the live one; nobody sees it.")] = False,
    canary: Annotated[
        str | None, typer.Option(help="Let it answer this share first, then more: 5% or 1%,10%,50%,100%.")
    ] = None,
    ab: Annotated[str | None, typer.Option(help="Let it answer this share until labels decide: 50%.")] = None,
    plan: Keys = None,
    data: Data = None,
    ungated: Annotated[
        bool, typer.Option("--ungated", help="Do not ask the gate; then only labels can show that it is no worse.")
    ] = False,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Begin a rollout of a published version, beside the one that is live, once `eyas rollout check` passes.

    Example: eyas rollout start models digits 2 --canary 5% --set stage_seconds=3600
    """
    if ungated and data is not None:
        raise ConfigError("--data is for the gate, which --ungated leaves out; give one of them")
    found = _open(repository, model)
    planned = _plan(found, model, challenger, _mode(shadow, canary, ab) | _values(plan or []))
    from eyas.rollout import begin

    judged = None if ungated else lambda: _judge_or_say(found, model, planned, data, as_json)
    begun = begin(found, model, planned, by=_who(), why=why, judged=judged)
    then = f"next: eyas rollout status {repository} {model}"
    tell(as_json, begun.model_dump(mode="json"), _said(begun), then)


@app.command()
def status(repository: Repo, model: Model, as_json: AsJson = False) -> None:
    """Say where the rollout stands, and what led there.

    Example: eyas rollout status models digits
    """
    store = _store(_open(repository, model), model)
    rollout, entries = store.current(), store.history()
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    if rollout is None:
        typer.echo(f"there was no rollout of {model} yet")
        return
    typer.echo(_said(rollout))
    for entry in entries:
        if entry.after.number == rollout.number:
            typer.echo(_line(entry))
            for line in _gate_lines((entry.evidence or {}).get("gate", {})):
                typer.echo(f"    {line}")


@app.command()
def pause(repository: Repo, model: Model, why: Why = "", as_json: AsJson = False) -> None:
    """Leave the shares as they are; nothing goes on by itself.

    Example: eyas rollout pause models digits --why 'look at its mistakes first'
    """
    _move(_open(repository, model), model, "pause", why, as_json)


@app.command()
def resume(repository: Repo, model: Model, why: Why = "", as_json: AsJson = False) -> None:
    """Let a paused rollout go on.

    Example: eyas rollout resume models digits
    """
    _move(_open(repository, model), model, "resume", why, as_json)


@app.command()
def advance(repository: Repo, model: Model, why: Why = "", as_json: AsJson = False) -> None:
    """Go to the next stage now.

    Example: eyas rollout advance models digits
    """
    _move(_open(repository, model), model, "advance", why, as_json)


@app.command()
def promote(
    repository: Repo,
    model: Model,
    why: Why = "",
    data: Data = None,
    force: Annotated[bool, typer.Option("--force", help="Whatever is known of it; the history says so.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the challenger the live version now.

    One that was started ungated must be shown to be no worse: by labels, or by the gate on the images of --data.

    Example: eyas rollout promote models digits --data digits
    """
    found = _open(repository, model)
    rollout = _store(found, model).current()
    gate = _judge(found, model, rollout.plan, data) if data is not None and rollout and not rollout.over else None
    _move(found, model, "promote", why, as_json, force=force, gate=gate)


@app.command("rollback")
def roll_back(repository: Repo, model: Model, why: Why = "", as_json: AsJson = False) -> None:
    """Give all requests back to the champion now.

    Example: eyas rollout rollback models digits --why 'wrong on sevens'
    """
    _move(_open(repository, model), model, "roll back", why, as_json)


def _open(path: Path, model: str) -> Repository:
    with needs_extra("serve"):
        import eyas.rollout  # noqa: F401  (NumPy, which the extra brings)
        from eyas.bundle import Repository

    found = Repository(path)
    found.versions(model)  # says what there is where there is no such model
    return found


def _store(repository: Repository, model: str) -> RolloutStore:
    from eyas.rollout import rollouts_of

    return rollouts_of(repository, model)


def _move(repository: Repository, model: str, name: str, why: str, as_json: bool, **more: Any) -> None:
    from eyas.rollout import Move, move_by_hand

    move: Move = Move(name)
    moved = move_by_hand(repository, model, move, by=_who(), why=why, **more)
    tell(as_json, moved.model_dump(mode="json"), _said(moved))


def _plan(repository: Repository, model: str, challenger: str, values: dict[str, Any]) -> RolloutPlan:
    from eyas.rollout import plan_for

    plan = plan_for(repository, model, challenger, values)
    repository.open(model, challenger)  # says what is damaged before anything starts
    return plan


def _judge(repository: Repository, model: str, plan: RolloutPlan, data: str | None) -> GateReport:
    with needs_extra("train"):  # which opens images with labels
        from eyas.api.gate import judge_versions
        from eyas.rollout import GateRule

        champion, challenger = (repository.open(model, version) for version in (plan.champion, plan.challenger))
        return judge_versions(champion, challenger, GateRule.of(plan), data)


def _judge_or_say(repository: Repository, model: str, plan: RolloutPlan, data: str | None, as_json: bool) -> GateReport:
    """And how to do without."""
    try:
        report = _judge(repository, model, plan, data)
        report.require_passed(plan.challenger)
    except (DataError, MissingExtraError, RolloutError) as error:
        raise type(error)(f"{error}; --ungated starts without the gate") from error
    for line in _gate_lines(report.to_json()):
        typer.echo(line, err=as_json)
    return report


def _gate_lines(report: dict[str, Any]) -> Iterator[str]:
    """What `GateReport.to_json` holds, in words."""
    for one in report.get("checks", ()):
        yield f"{WORDS[one['passed']]}  {one['name']}: {one['words']}"
    yield from report.get("notes", ())


def _mode(shadow: bool, canary: str | None, ab: str | None) -> dict[str, Any]:
    from eyas.rollout import parse_stages

    if sum([shadow, canary is not None, ab is not None]) != 1:
        raise ConfigError("one of --shadow, --canary SHARE and --ab SHARE must be given")
    if shadow:
        return {"mode": "shadow"}
    mode, text = ("canary", canary) if canary is not None else ("ab", ab)
    stages = parse_stages(text or "", f"--{mode}")
    if mode == "canary" and len(stages) == 1:
        stages = (*stages, *(share for share in (0.1, 0.5, 1.0) if share > stages[0]))
    return {"mode": mode, "stages": stages}


def _values(words: list[str]) -> dict[str, Any]:
    """The keys of the plan, their values as YAML has them."""
    from eyas.core.config import parse_override

    return dict(parse_override(word, "--set") for word in words)


def _who() -> str:
    from eyas.bundle.repository import whoever

    return whoever()


def _said(rollout: Rollout) -> str:
    from eyas.rollout.plan import percent

    plan = rollout.plan
    at = "" if rollout.over else f" at {percent(rollout.dealt)} ({plan.mode})"
    return f"rollout {rollout.number}, {plan.champion} to {plan.challenger}: {rollout.status}{at}"


def _line(entry: Entry) -> str:
    from eyas.rollout.plan import percent

    when = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="seconds")
    at = "" if entry.after.over else f" → {percent(entry.after.dealt)}"
    return f"{when}  {entry.move}{at}, by {entry.by}: {'; '.join(entry.why)}"
