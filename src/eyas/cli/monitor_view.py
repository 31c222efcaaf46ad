"""What `eyas monitor` shows of `GET /monitor`: for the eye, in 80 columns and more, and as plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

State: TypeAlias = dict[str, Any]
"""What the service told, or a part of it. An older service leaves out what it does not know."""
Rates: TypeAlias = Mapping[tuple[str, str], float]
"""Predictions a second of each model and version, lately."""
ALARMS = 5  # shown
DRIFT = {"none": "green", "now": "bold red", "once": "yellow", "not watched": "dim"}
VERDICT = {"roll back": "bold red", "advance": "green", "promote": "green"}
BAD = "bold red"


def parts(found: State, rates: Rates | None = None) -> Iterator[RenderableType]:
    """Tables and lines, the most important first.

    Args:
        found: the whole of it.
        rates: without them there is no such column.
    """
    yield _versions(found["versions"], rates)
    for one in found["versions"]:
        yield Text.assemble(f"accuracy of {_name(one)}: ", _accuracy(one))
        if one["why_not"]:
            yield Text(f"{_name(one)} is not watched: {one['why_not']}", "yellow")
    for rollout in found["rollouts"]:
        yield Text()
        yield from _rollout(rollout)
    if found_alarms := alarms(found)[-ALARMS:]:
        yield Text()
        yield Text(f"the last alarm{'s' if len(found_alarms) > 1 else ''}", "bold")
        yield from (Text(line) for line in found_alarms)
    if state := [*_state(found)]:
        yield Text()
        yield from state


def alarms(found: State) -> list[str]:
    """A line for each alarm, the newest last."""
    lines = [(one["raised"], _name(one), one) for version in found["versions"] for one in version["alarms"][::-1]]
    return [f"{raised}  {name}: {_alarm(one)}" for raised, name, one in sorted(lines, key=lambda line: line[:2])]


def plain(found: State, rates: Rates) -> Iterator[str]:
    """A line for each version and each rollout."""
    for one in found["versions"]:
        told = [f"{one['predictions']:,} predictions"]
        if (rate := rates.get((one["model"], one["version"]))) is not None:
            told.append(f"{rate:.1f} a second")
        if (p95 := one.get("p95_seconds")) is not None:
            told.append(f"p95 {_ms(p95)}")
        yield f"{_name(one)}: {', '.join(told)}; drift: {one['drift']}; accuracy: {_accuracy(one)}"
    for one in found["rollouts"]:
        yield f"{_stands(one)}; {one['verdict']}: {'; '.join(one['reasons'])}"


def _versions(versions: list[State], rates: Rates | None) -> Table:
    table = _table("model", "version", "predictions", *(["a second"] if rates is not None else []))
    for column in ("p95", "review", "unknown", "drift"):
        table.add_column(column, justify="left" if column == "drift" else "right", no_wrap=True)
    for one in versions:
        count = one["predictions"] or 1
        rate = (rates or {}).get((one["model"], one["version"]))
        table.add_row(
            Text(one["model"]),
            Text(one["version"]),
            f"{one['predictions']:,}",
            *([] if rates is None else ["" if rate is None else f"{rate:.1f}"]),
            _ms(one.get("p95_seconds")),
            f"{one['needs_review'] / count:.1%}",
            f"{one['unknown'] / count:.1%}",
            Text(one["drift"], DRIFT.get(one["drift"], "")),
        )
    return table


def _accuracy(one: State) -> Text:
    """With its bounds; red where it is below all that the test images left open."""
    known, tested = one["feedback"], one.get("tested")
    if known is None or not known["labels"]:
        return Text("no store keeps labels" if known is None else "no labels yet", "dim")
    said = f"{known['accuracy']:.1%} ({known['lower']:.1%} to {known['upper']:.1%}) of {known['labels']:,} labels"
    before = f"; {tested['accuracy']:.1%} when it was tested" if tested else ""
    return Text(said + before, BAD if tested and known["upper"] < tested["lower"] else "")


def _rollout(one: State) -> Iterator[RenderableType]:
    yield Text(_stands(one), "bold")
    table = _table("", "version", "requests", "p95", "p99", "labels")
    for arm in ("champion", "challenger"):
        its = one[arm]
        times = (_ms(its["p95_seconds"]), _ms(its["p99_seconds"]))
        table.add_row(arm, Text(its["version"]), f"{its['requests']:,}", *times, f"{its['labels']:,}")
    yield table
    low, high = one["loss"]
    yield Text(f"accuracy that the challenger loses: {low:.1%} to {high:.1%}")
    if one["mode"] == "shadow":
        low, high = one["disagreement"]
        yield Text(f"images on which it names another class: {low:.1%} to {high:.1%}")
    verdict = Text(one["verdict"], VERDICT.get(one["verdict"], "yellow"))
    yield Text.assemble(verdict, f": {'; '.join(one['reasons'])}")


def _stands(one: State) -> str:
    return (
        f"rollout of {one['model']} {one['challenger']['version']}: {one['mode']}, {one['status']}, "
        f"stage {one['stage']} of {one['stages']}, {100 * one['share']:.4g}% of the requests"
    )


def _state(found: State) -> Iterator[Text]:
    """Of what stores and tells."""
    if store := found["store"]:
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in store["dropped"].items())
        said = f"{store['written']:,} predictions are in {store['place']}"
        yield _troubled(said + (f"; dropped: {dropped}" if dropped else ""), store["trouble"])
    for one in found.get("alerts", ()):
        given_up = ", ".join(f"{count:,} ({reason})" for reason, count in one["given_up"].items())
        said = f"alerts to the {one['kind']} {one['place']}: {one['sent']:,} taken, {one['waiting']:,} wait"
        yield _troubled(said + (f"; given up: {given_up}" if given_up else ""), one["trouble"])
    if found["lost"]:
        yield Text(f"{found['lost']:,} predictions were not told to the monitor, for want of time", "yellow")


def _troubled(said: str, trouble: str | None) -> Text:
    return Text.assemble(said, (f"; now: {trouble}", BAD) if trouble else "")


def _alarm(alarm: State) -> str:
    classes = ", ".join(f"{one['label']} {one['before']:.1%} → {one['since']:.1%}" for one in alarm["classes"][:5])
    examples = ", ".join(alarm["examples"][:3])
    return (
        f"{alarm['kind']}, by {', '.join(alarm['streams'])}, since prediction {alarm['since']} of {alarm['at']}"
        f"{f'; {classes}' if classes else ''}{f'; for example {examples}' if examples else ''}"
    )


def _table(*columns: str) -> Table:
    """Without lines, so that it fits; names are folded where it does not."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        names = column in ("", "model", "version")
        made.add_column(column, justify="left" if names else "right", no_wrap=not names, overflow="fold")
    return made


def _name(one: State) -> str:
    return f"{one['model']} {one['version']}"


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1000 * seconds:.3g} ms"
