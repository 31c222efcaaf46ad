"""`eyas rollout`: a new version takes over by degrees, watched by the service, and is taken back where it is worse."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.cli.models import Model, Repo
from eyas.cli.words import AsJson, print_json
from eyas.core.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from eyas.rollout import Entry, Move, Rollout, RolloutStore

Challenger = Annotated[str, typer.Argument(help="The version that is to take over.", metavar="VERSION")]
Why = Annotated[str, typer.Option("--why", help="Kept in the history.")]
app = typer.Typer(
    help="Let a new version take over by degrees; the service that serves the repository deals out the requests, "
    "judges, and takes it back where it is worse.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


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
    plan: Annotated[
        list[str] | None,
        typer.Option("--set", help="A key of the plan: margin=0.02, stage_seconds=3600, …", metavar="KEY=VALUE"),
    ] = None,
    why: Why = "",
) -> None:
    """Begin a rollout of a published version, beside the one that is live.

    Example: eyas rollout start models digits digits-2 --canary 5% --set stage_seconds=3600
    """
    with needs_extra("serve"):
        from eyas.bundle import Repository
        from eyas.rollout import make_plan

    found = Repository(repository)
    live = found.live(model)
    if live is None:
        raise ConfigError(f"{model} has no live version that {challenger} could be compared with; eyas models live")
    classes = [found.open(model, version).classes for version in (live.version, challenger)]
    if classes[0] != classes[1]:
        raise ConfigError(
            f"{challenger} must have the classes of {live.version}, in their order: labels are told by them"
        )
    values = _mode(shadow, canary, ab) | _values(plan or [])
    values |= {"champion": live.version, "challenger": challenger}
    begun = _store(repository, model).start(make_plan(values), by=_who(), why=why or "started", now=time())
    typer.echo(_said(begun))
    typer.echo(f"next: eyas rollout status {repository} {model}")


@app.command()
def status(repository: Repo, model: Model, as_json: AsJson = False) -> None:
    """Say where the rollout stands, and what led there.

    Example: eyas rollout status models digits
    """
    store = _store(repository, model)
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


@app.command()
def pause(repository: Repo, model: Model, why: Why = "") -> None:
    """Leave the shares as they are; nothing goes on by itself."""
    _move(repository, model, "pause", why)


@app.command()
def resume(repository: Repo, model: Model, why: Why = "") -> None:
    """Let a paused rollout go on."""
    _move(repository, model, "resume", why)


@app.command()
def advance(repository: Repo, model: Model, why: Why = "") -> None:
    """Go to the next stage now."""
    _move(repository, model, "advance", why)


@app.command()
def promote(repository: Repo, model: Model, why: Why = "") -> None:
    """Make the challenger the live version now."""
    with needs_extra("serve"):
        from eyas.bundle import Repository

    rollout = _store(repository, model).current()
    if rollout and not rollout.over:
        Repository(repository).set_live(model, rollout.plan.challenger)
    _move(repository, model, "promote", why, early=True)


@app.command("rollback")
def roll_back(repository: Repo, model: Model, why: Why = "") -> None:
    """Give all requests back to the champion now."""
    _move(repository, model, "roll back", why)


def _move(repository: Path, model: str, name: str, why: str, **more: Any) -> None:
    with needs_extra("serve"):
        from eyas.rollout import Move

    move: Move = Move(name)
    typer.echo(_said(_store(repository, model).move(move, by=_who(), why=why or "by hand", now=time(), **more)))


def _store(repository: Path, model: str) -> RolloutStore:
    with needs_extra("serve"):
        from eyas.bundle import Repository
        from eyas.rollout import rollouts_of

    found = Repository(repository)
    found.versions(model)  # says what there is where there is no such model
    return rollouts_of(found, model)


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
    import yaml

    found = {}
    for word in words:
        name, mark, value = word.partition("=")
        if not mark:
            raise ConfigError(f"--set must be KEY=VALUE, got {word}")
        found[name] = yaml.safe_load(value)
    return found


def _who() -> str:
    from eyas.bundle.repository import whoever

    return whoever()


def _said(rollout: Rollout) -> str:
    plan = rollout.plan
    at = "" if rollout.over else f" at {rollout.share or rollout.shadow_share:.0%} ({plan.mode})"
    return f"rollout {rollout.number}, {plan.champion} to {plan.challenger}: {rollout.status}{at}"


def _line(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="seconds")
    at = "" if entry.after.over else f" → {entry.after.share or entry.after.shadow_share:.0%}"
    return f"{when}  {entry.move}{at}, by {entry.by}: {'; '.join(entry.why)}"
