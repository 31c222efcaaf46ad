"""The section of one alarm: what it says, what changed in numbers, and the images that show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyas.core.language import Phrases
from eyas.monitor.folder import ClassShares, KeptAlarm
from eyas.monitor.store import Scored
from eyas.report.document import Block, Figure, Section, Table, Text
from eyas.report.monitoring.changes import Begun, Change
from eyas.report.monitoring.facts import VersionFacts
from eyas.report.monitoring.figures import draw_scores
from eyas.report.monitoring.images import gallery
from eyas.report.monitoring.words import say_moment, say_streams

CLASSES = 12
"""Of which the shares are shown."""


def alarm_section(
    change: Change, found: VersionFacts, number: int, folder: Path, say: Phrases, *, alone: bool
) -> Section:
    """What is known of one alarm.

    Args:
        change: with its alarm.
        found: the version that it is of.
        number: that no other alarm of the report has.
        folder: of the document, for its pictures.
        say: the phrases.
        alone: the report is about one version, which no title has to name.
    """
    alarm = change.begun.alarm
    kind, raised = say(f"kind.{alarm.kind}.name"), say_moment(alarm.raised, say)
    of = {} if alone else {"model": alarm.model, "version": alarm.version}
    title = say("alarm.title" if alone else "alarm.title_of", kind=kind, raised=raised, **of)
    blocks = [*_facts(change.begun, say), *_comparison(change, found, number, folder, say)]
    return Section(title, [Text(say(f"kind.{alarm.kind}.meaning")), *blocks])


def say_alarm(begun: Begun, say: Phrases) -> str:
    """An alarm in one sentence."""
    alarm = begun.alarm
    return say(
        "summary.sentence",
        kind=say(f"kind.{alarm.kind}.name"),
        raised=say_moment(alarm.raised, say),
        since=alarm.since,
        at=alarm.at,
        begun=_say_begun(begun, say),
        streams=say_streams(alarm.streams, say),
    )


def _facts(begun: Begun, say: Phrases) -> Iterator[Block]:
    alarm = begun.alarm
    rows = [
        ["raised", say("alarm.raised_at", raised=say_moment(alarm.raised, say), at=alarm.at)],
        ["since", say("alarm.since_at", begun=_say_begun(begun, say), since=alarm.since)],
        ["streams", say_streams(alarm.streams, say)],
        ["test", say("alarm.ever" if alarm.ever else "alarm.change")],
        ["evidence", say("alarm.evidence_is", value=alarm.log10_evidence)],
        ["outliers", say("percent", value=alarm.outlier_share)],
        *([["classes", _say_classes(alarm, say)]] if alarm.classes else []),
    ]
    columns = [say("alarm.columns.what"), say("alarm.columns.value")]
    yield Table(say("alarm.facts"), columns, [[say(f"alarm.{name}"), value] for name, value in rows])


def _comparison(change: Change, found: VersionFacts, number: int, folder: Path, say: Phrases) -> Iterator[Block]:
    if change.since:
        yield Text(say("alarm.windows", before=len(change.before), since=len(change.since)))
        yield _shares(change, found, say)
        if draw_scores(change, found.kept.about, folder / f"scores-{number}.png", say.language):
            yield Figure(f"scores-{number}.png", say("alarm.scores"))
    else:
        yield Text(say("alarm.no_window"))
    if not change.images:
        yield Text(say("alarm.no_images"))
        return
    name = f"alarm-{number}"
    yield gallery(change.images, say("alarm.images"), folder, f"{name}-since", found.class_name, say)
    if change.images_before:
        caption = say("alarm.images_before")
        yield gallery(change.images_before, caption, folder, f"{name}-before", found.class_name, say)
    else:
        yield Text(say("alarm.no_images_before"))


def _shares(change: Change, found: VersionFacts, say: Phrases) -> Table:
    """The classes whose share of the predictions changed most; against the held-out images where there is no before."""
    held_out = found.kept.about.held_out.shares if found.kept.about and found.kept.about.held_out else None
    size = 1 + max(row.predicted for row in (*change.before, *change.since))
    size = len(held_out) if held_out else size
    before, since = _share_of_each(change.before, size), _share_of_each(change.since, size)
    apart = since - (before if change.before else np.array(held_out or np.nan))
    order = np.argsort(-np.abs(np.nan_to_num(apart)), kind="stable")[:CLASSES].tolist()

    def percent(share: float) -> str:
        return say("percent", value=share)

    rows = [
        [
            found.class_name(k),
            percent(held_out[k]) if held_out else "",
            percent(float(before[k])) if change.before else "",
            percent(float(since[k])),
            say("points", value=100 * float(apart[k])) if np.isfinite(apart[k]) else "",
        ]
        for k in order
    ]
    columns = [say(f"alarm.shares_columns.{name}") for name in ("label", "held_out", "before", "since", "change")]
    return Table(say("alarm.shares"), columns, rows, [False, True, True, True, True])


def _share_of_each(rows: Sequence[Scored], size: int) -> NDArray[np.float64]:
    """(size,) of the predictions; 0 everywhere where there are none."""
    counts = np.bincount([row.predicted for row in rows], minlength=size) if rows else np.zeros(size)
    shares: NDArray[np.float64] = counts / max(1, len(rows))
    return shares


def _say_begun(begun: Begun, say: Phrases) -> str:
    if begun.at is None:
        return say("alarm.begun_unknown")
    return say("alarm.begun" if begun.exact else "alarm.begun_about", moment=say_moment(begun.at, say))


def _say_classes(alarm: KeptAlarm, say: Phrases) -> str:
    return ", ".join(_say_class(one, say) for one in alarm.classes)


def _say_class(one: ClassShares, say: Phrases) -> str:
    if one.before is None:  # alarms of an older eyas
        return say("alarm.class_since", label=one.label, since=one.since)
    return say("alarm.class_shares", label=one.label, before=one.before, since=one.since)
