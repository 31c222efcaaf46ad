"""A study as a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from shlex import quote
from typing import Any

from eyas.compare.conclusion import conclude, say_p, words
from eyas.compare.convergence import Speed
from eyas.compare.picture import draw_studies
from eyas.compare.plan import Plan
from eyas.compare.results import ArmResult, StudyResult
from eyas.compare.statistics import Estimate
from eyas.core import plain_yaml
from eyas.core.language import Phrases
from eyas.report.document import Block, Callout, Code, Document, Figure, Section, Table, Text
from eyas.report.environment import environment


def study_document(
    folder: Path, plan: Plan, results: Sequence[StudyResult], language: str, pictures: Path, on: date
) -> Document:
    """Write the study's pictures, and give the document that shows them.

    Args:
        folder: of the study.
        plan: what was trained.
        results: of its studies.
        language: `en` or `fr`.
        pictures: an empty folder.
        on: the date of the report.

    Raises:
        ConfigError: a language that nobody has written.
    """
    say = words(language)
    names = ", ".join(result.name for result in results)
    data = str(plan.base().data.source)
    sections = [
        Section(say("summary.title"), list(_summary(results, say))),
        Section(say("arms.title"), list(_arms(plan, say))),
        *(Section(result.name, list(_study(result, say, pictures))) for result in results),
        Section(say("method.title"), [Text(say("method.text"))]),
        Section(say("reproduce.title"), list(_reproduce(folder, say))),
    ]
    return Document(
        language=language,
        title=say("document.title", study=folder.name),
        subtitle=say("document.subtitle", studies=names, data=data, seeds=len(plan.seeds)),
        date=say("document.date", year=str(on.year), month=f"{on.month:02d}", day=f"{on.day:02d}"),
        contents=say("document.contents"),
        figure=say("document.figure"),
        table=say("document.table"),
        sections=sections,
        folder=pictures,
    )


def _summary(results: Sequence[StudyResult], say: Phrases) -> Iterator[Block]:
    yield Text(say("summary.text", seeds=", ".join(map(str, results[0].seeds))))
    for result in results:
        yield Callout("note", result.name, [conclude(result, say.language)])


def _arms(plan: Plan, say: Phrases) -> Iterator[Block]:
    for study in plan.studies:
        rows = [
            [arm.name, ", ".join(f"{key}={plain_yaml.one_line(value)}" for key, value in arm.settings.items())]
            for arm in study.arms
        ]
        yield Table(f"{say('arms.caption')} ({study.name})", [say("arms.arm"), say("arms.settings")], rows)
    yield Text(say("arms.base"))
    yield Code(plain_yaml.dump(_plain(plan.settings)).rstrip())


def _reproduce(folder: Path, say: Phrases) -> Iterator[Block]:
    yield Text(say("reproduce.text"))
    yield Code(f"eyas compare --resume {quote(str(folder))}")
    rows = [[name, value] for name, value in environment().items()]
    yield Table(say("reproduce.environment"), [say(f"reproduce.columns.{name}") for name in ("name", "value")], rows)


def _study(result: StudyResult, say: Phrases, pictures: Path) -> Iterator[Block]:
    yield Text(conclude(result, say.language))
    columns = [say(f"ranking.columns.{name}") for name in ("arm", "val", "interval", "difference", "p")]
    numeric = [False, True, True, True, True]
    yield Table(say("ranking.caption", study=result.name), columns, list(_ranked(result, say)), numeric)
    columns = [say(f"speed.columns.{name}") for name in ("arm", "train", "epochs", "seconds", "test", "interval")]
    rows = [_speed_row(arm, say) for arm in result.arms]
    caption = say("speed.caption", study=result.name, target=result.target)
    yield Table(caption, columns, rows, [False, True, True, True, True, True])
    file = f"{result.name}.png"
    draw_studies([result], pictures / file, say.language)
    yield Figure(file, say("figure.caption", study=result.name))


def _ranked(result: StudyResult, say: Phrases) -> Iterator[list[str]]:
    """From the best to the worst, each with its paired difference to the best."""
    best = result.arms[0]
    yield [best.name, say("share", value=best.val.mean), _span(best.val, say), "", ""]
    for arm in result.arms[1:]:
        pair = result.pair(best.name, arm.name)
        difference = say("signed", value=-100 * pair.val.mean)
        p = say_p(pair.p, say).removeprefix("= ") if len(result.seeds) > 1 else ""
        yield [arm.name, say("share", value=arm.val.mean), _span(arm.val, say), difference, p]
    for name in result.diverged:
        yield [say("diverged", name=name), "", "", "", ""]


def _speed_row(arm: ArmResult, say: Phrases) -> list[str]:
    seconds = arm.speed.mean_seconds
    return [
        arm.name,
        say("share", value=arm.train),
        _epochs(arm.speed, say),
        "" if seconds is None else say("seconds", value=seconds),
        say("share", value=arm.test.mean) if arm.test else "",
        _span(arm.test, say) if arm.test else "",
    ]


def _epochs(found: Speed, say: Phrases) -> str:
    if found.mean_epochs is not None:
        return say("seconds", value=found.mean_epochs)
    return (
        say("speed.never") if not found.reached else say("speed.some", reached=found.reached, seeds=len(found.epochs))
    )


def _span(found: Estimate, say: Phrases) -> str:
    return say("span", low=max(0.0, found.low), high=min(1.0, found.high))


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) if isinstance(value, Mapping) else value for key, value in settings.items()}
