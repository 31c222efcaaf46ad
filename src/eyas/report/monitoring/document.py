"""What a monitor has found as a document: one function a section."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Literal

from eyas.core.language import Phrases
from eyas.report.document import Block, Callout, Code, Document, Figure, Section, Table, Text
from eyas.report.monitoring.alarm import alarm_section, say_alarm
from eyas.report.monitoring.facts import Accuracy, MonitorFacts, VersionFacts, bounds
from eyas.report.monitoring.figures import draw_accuracy, draw_traffic
from eyas.report.monitoring.words import say_moment, say_span, words

SHOWN_CLASSES, SHOWN_PAIRS = 15, 10
URL = "http://localhost:5000"
Tone = Literal["problem", "warning", "note", "good"]


def monitor_document(facts: MonitorFacts, language: str, folder: Path, on: date) -> Document:
    """Write the pictures of what was found into `folder`, and give the document that shows them.

    Args:
        facts: of the service.
        language: `en` or `fr`.
        folder: an empty one.
        on: the date of the report.

    Raises:
        ConfigError: a language that nobody has written.
        InputError: an image in the store is damaged.
    """
    say = words(language)
    since, until = (say_moment(at, say) for at in facts.period)
    return Document(
        language=language,
        title=say("document.title", models=", ".join(dict.fromkeys(one.kept.model for one in facts.versions))),
        subtitle=say("document.subtitle", predictions=facts.predictions, since=since, until=until),
        date=say("document.date", year=str(on.year), month=f"{on.month:02d}", day=f"{on.day:02d}"),
        contents=say("document.contents"),
        figure=say("document.figure"),
        table=say("document.table"),
        sections=[
            Section(say("summary.title"), list(_summary(facts, say))),
            Section(say("traffic.title"), list(_traffic(facts, folder, say))),
            *_alarms(facts, folder, say),
            Section(say("labels.title"), list(_labels(facts, folder, say))),
            Section(say("method.title"), list(_method(facts, say))),
        ],
        folder=folder,
    )


def _summary(facts: MonitorFacts, say: Phrases) -> Iterator[Block]:
    for found in facts.versions:
        kept = found.kept
        state = "now" if kept.changing else "once" if found.alarms else "none" if found.tested else "untested"
        paragraphs = [_say_traffic(found, say), _say_drift(found, say), *_say_accuracy(found, say)]
        advice, commands = _advice(found, facts, state)
        yield Callout(
            _tone(found, state),
            say(f"summary.{state}", model=kept.model, version=kept.version),
            [*paragraphs, *([say(f"advice.{advice}")] if advice else [])],
            commands,
        )


def _tone(found: VersionFacts, state: str) -> Tone:
    if found.against_held_out == "below":
        return "problem" if state == "now" else "warning"
    tones: dict[str, Tone] = {"now": "warning", "none": "good"}
    return tones.get(state, "note")


def _say_traffic(found: VersionFacts, say: Phrases) -> str:
    totals = found.totals
    if totals is None:
        return say("summary.no_traffic")
    return say(
        "summary.traffic",
        predictions=totals.predictions,
        since=say_moment(totals.first, say),
        until=say_moment(totals.last, say),
        unknown=totals.unknown / totals.predictions,
        review=totals.needs_review / totals.predictions,
    )


def _say_drift(found: VersionFacts, say: Phrases) -> str:
    if found.alarms:
        clearest = max(found.alarms, key=lambda one: one.alarm.log10_evidence)
        return say("summary.alarm", count=len(found.alarms), sentence=say_alarm(clearest, say))
    if not found.tested:
        return say("summary.why_untested")
    about = found.kept.about
    if about is None:
        return say("summary.calm_only")
    return say("summary.calm", rate=about.false_alarms, horizon=about.horizon)


def _say_accuracy(found: VersionFacts, say: Phrases) -> Iterator[str]:
    known, about = found.accuracy, found.kept.about
    if known is None:
        yield say("summary.no_labels")
        return
    yield say("summary.accuracy", **_counted(known))
    if found.accuracy_since:
        yield say("summary.accuracy_since", **_counted(found.accuracy_since))
    if about and about.tested and found.against_held_out:
        tested = about.tested
        values = {"held_out": tested.accuracy, "lower": tested.lower, "upper": tested.upper}
        yield say(f"summary.{found.against_held_out}", **values)


def _counted(known: Accuracy) -> dict[str, float]:
    values = {"labels": known.labels, "right": known.right, "low": known.low, "high": known.high}
    return {**values, "accuracy": known.share}


def _advice(found: VersionFacts, facts: MonitorFacts, state: str) -> tuple[str, list[str]]:
    """What follows, and its commands; words in capitals are the reader's."""
    model, version = found.kept.model, found.kept.version
    if found.against_held_out == "below":
        if _is_rolled_out(facts, model, version):
            return "rollout", [f"eyas rollout rollback REPOSITORY {model}"]
        back = f"eyas models rollback REPOSITORY {model}"
        return ("worse", ["eyas train DATA", back]) if found.alarms else ("back", [back])
    if state in ("now", "once"):
        if found.accuracy is None:
            return "labels", [f"eyas feedback labels.csv --url {URL}"]
        return ("retrain", ["eyas train DATA"]) if state == "now" else ("", [])
    return ("try", [f"eyas replay IMAGES --shift darken --url {URL}"]) if state == "none" else ("", [])


def _is_rolled_out(facts: MonitorFacts, model: str, version: str) -> bool:
    rollouts = facts.status.get("rollouts", [])
    return any(one["model"] == model and one["challenger"]["version"] == version for one in rollouts)


def _traffic(facts: MonitorFacts, folder: Path, say: Phrases) -> Iterator[Block]:
    if not facts.predictions:
        yield Text(say("traffic.none"))
    for number, found in enumerate(facts.versions, 1):
        if found.traffic.buckets:
            file = f"traffic-{number}.png"
            draw_traffic(found, folder / file, say.language)
            yield Figure(file, say("traffic.figure", **_of(found), span=say_span(found.traffic.span, say)))


def _alarms(facts: MonitorFacts, folder: Path, say: Phrases) -> Iterator[Section]:
    """The newest first."""
    changes = [(change, found) for found in facts.versions for change in found.changes]
    changes.sort(key=lambda pair: pair[0].begun.alarm.raised, reverse=True)
    for number, (change, found) in enumerate(changes, 1):
        yield alarm_section(change, found, number, folder, say, alone=len(facts.versions) == 1)


def _labels(facts: MonitorFacts, folder: Path, say: Phrases) -> Iterator[Block]:
    if not any(found.accuracy for found in facts.versions):
        yield Text(say("labels.none"))
        yield Code(f"eyas feedback ID=CLASS --url {URL}")
    for number, found in enumerate(facts.versions, 1):
        if not found.accuracy:
            continue
        file, about = f"accuracy-{number}.png", found.kept.about
        draw_accuracy(found, folder / file, say.language)
        values = {**_of(found), "span": say_span(found.labelled.span, say)}
        if about and about.tested:
            yield Figure(file, say("labels.figure", **values))
        else:
            yield Figure(file, say("labels.figure_alone", **values))
        yield _by_class(found, say)
        if found.confused:
            yield _confused(found, say)


def _by_class(found: VersionFacts, say: Phrases) -> Table:
    worst = sorted(found.by_class, key=lambda one: one.correct / one.labelled)[:SHOWN_CLASSES]
    rows = []
    for one in worst:
        low, high = bounds(one.correct, one.labelled)
        numbers = [say("number", value=one.labelled), say("number", value=one.correct)]
        share, reach = say("percent", value=one.correct / one.labelled), say("interval", low=low, high=high)
        rows.append([found.class_name(one.true_class), *numbers, share, reach])
    columns = [say(f"labels.columns.{name}") for name in ("label", "labels", "right", "accuracy", "interval")]
    return Table(say("labels.classes", **_of(found)), columns, rows, [False, True, True, True, True])


def _confused(found: VersionFacts, say: Phrases) -> Table:
    labels = {one.true_class: one.labelled for one in found.by_class}
    rows = [
        [
            found.class_name(pair.true_class),
            found.class_name(pair.predicted),
            say("number", value=pair.count),
            say("percent", value=pair.count / labels[pair.true_class]),
        ]
        for pair in found.confused[:SHOWN_PAIRS]
    ]
    columns = [say(f"labels.pairs_columns.{name}") for name in ("label", "predicted", "count", "share")]
    return Table(say("labels.pairs", **_of(found)), columns, rows, [False, False, True, True])


def _method(facts: MonitorFacts, say: Phrases) -> Iterator[Block]:
    since, until = (say_moment(at, say) for at in facts.period)
    if any(change.images for found in facts.versions for change in found.changes):
        yield Text(say("method.text"))
    rows = [
        [say("method.folder"), str(facts.folder)],
        [say("method.store"), facts.store],
        [say("method.period"), say("method.since_until", since=since, until=until)],
        [say("method.predictions"), say("number", value=facts.predictions)],
        *_lost(facts, say),
        *(row for found in facts.versions for row in _tests(found, say)),
    ]
    yield Table(say("method.table"), [say("method.columns.what"), say("method.columns.value")], rows)
    earlier = sum(len(found.alarms) - len(found.changes) for found in facts.versions)
    if earlier:
        yield Text(say("alarm.more", count=earlier))


def _lost(facts: MonitorFacts, say: Phrases) -> Iterator[list[str]]:
    """What neither the tests nor the store know of."""
    if not facts.status:
        yield [say("method.not_dropped"), say("method.not_known")]
        return
    yield [say("method.lost"), say("method.since_start", count=int(facts.status["lost"]))]
    dropped = (facts.status["store"] or {}).get("dropped", {})
    for reason, count in dropped.items():
        yield [say("method.dropped", reason=reason), say("method.since_start", count=int(count))]
    if not dropped:
        yield [say("method.not_dropped"), say("method.since_start", count=0)]


def _tests(found: VersionFacts, say: Phrases) -> Iterator[list[str]]:
    state, about = found.kept.state, found.kept.about
    if state:
        yield [say("method.watched", **_of(found)), say("number", value=state.watched)]
        yield [say("method.failures", **_of(found)), say("number", value=state.failures)]
    if about and about.held_out:
        rule = say("method.rule_is", rate=about.false_alarms, horizon=about.horizon)
        yield [say("method.rule", **_of(found)), rule]


def _of(found: VersionFacts) -> dict[str, str]:
    return {"model": found.kept.model, "version": found.kept.version}
