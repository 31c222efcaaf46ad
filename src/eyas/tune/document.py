"""A search as a report: one function a section. All of it comes from the study's folder, and nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shlex import quote
from typing import Any

from eyas.core import plain_yaml
from eyas.core.language import Phrases
from eyas.report.document import Block, Callout, Code, Document, Figure, Section, Table, Text
from eyas.tune.final import earlier_comparisons
from eyas.tune.importance import LEAST
from eyas.tune.pictures import Scene, draw_pictures
from eyas.tune.plan import TunePlan, load_plan
from eyas.tune.points import effective
from eyas.tune.records import TrialRecord, best_of
from eyas.tune.results import read_results
from eyas.tune.space import Choice, Dimension, own_step
from eyas.tune.verdict import STANDINGS, Verdict, span, standing, words

MOST = 10


@dataclass(frozen=True)
class _Found:
    """All that the sections look at."""

    folder: Path
    plan: TunePlan
    results: Mapping[str, Any]
    scene: Scene
    say: Phrases

    @property
    def best(self) -> TrialRecord | None:
        return best_of(self.scene.records, rising=self.plan.rising)

    @property
    def verdict(self) -> Verdict | None:
        return Verdict.from_json(self.results["final"]) if self.results["final"] else None


def tune_document(folder: Path, language: str, pictures: Path, on: date) -> Document:
    """Write the search's pictures, and give the document that shows them.

    Args:
        folder: of the study.
        language: `en` or `fr`.
        pictures: an empty folder.
        on: the date of the report.

    Raises:
        ConfigError: a language that nobody has written, or a search that is still in its first part.
        ResumeError: the folder is damaged.
    """
    plan, results, say = load_plan(folder), read_results(folder), words(language)
    found = _Found(folder, plan, results, draw_pictures(pictures, plan, results["records"], language), say)
    parts = (_summary, _best, _final, _trials, _cost, _pictures, _space, _limits, _reproduce)
    return Document(
        language=language,
        title=say("document.title", study=folder.name),
        subtitle=say(
            "document.subtitle", data=str(plan.base().data.source), trials=results["totals"]["configurations"]
        ),
        date=say("document.date", year=str(on.year), month=f"{on.month:02d}", day=f"{on.day:02d}"),
        contents=say("document.contents"),
        figure=say("document.figure"),
        table=say("document.table"),
        sections=[
            Section(say(f"{part.__name__[1:]}.title"), blocks) for part in parts if (blocks := list(part(found)))
        ],
        folder=pictures,
    )


def _summary(found: _Found) -> Iterator[Block]:
    plan, totals, say = found.plan, found.results["totals"], found.say
    values = {"sampler": plan.sampler, "configurations": totals["configurations"], "keys": len(plan.space)}
    searched = say("summary.text", **values, metric=plan.metric, seconds=totals["search_seconds"])
    yield Text(f"{searched} {say(f'summary.{_compared_on(found)}')}")
    verdict = found.verdict
    tone = "good" if verdict and verdict.beyond_noise else "note"
    yield Callout(tone, say("summary.verdict"), [_conclusion(found)])  # type: ignore[arg-type]


def _compared_on(found: _Found) -> str:
    if found.results["final"] is None:
        return "due"
    arms = found.results["final"]["arms"].values()
    return "tested" if any(arm["test_accuracy"] for arm in arms) else "untested"


def _conclusion(found: _Found) -> str:
    if found.verdict:
        return found.verdict.sentence(found.say.language)
    said = str(found.results["conclusion"])
    return next((standing(key, found.say.language) for key in STANDINGS if standing(key) == said), said)


def _best(found: _Found) -> Iterator[Block]:
    """Key by key; a key that does not matter beside the others is left empty."""
    best, say = found.best, found.say
    if best is None:
        return
    base = found.plan.base()
    own = found.plan.space.active({one.name: effective(base, one.name) for one in found.plan.space})
    yield Text(say("best.text", number=best.number, value=_value(best.value, say), epochs=best.epochs))
    rows = []
    for one in found.plan.space:
        tuned, before = (_shown(values[one.name]) if one.name in values else "" for values in (best.params, own))
        rows.append([one.name, before, tuned, "" if tuned == before else say("best.changed")])
    yield Table(say("best.caption"), _columns(say, "best", "key", "baseline", "tuned", "change"), rows)
    yield Code(f"eyas train --config {quote(str(found.folder / 'best.yaml'))}")


def _final(found: _Found) -> Iterator[Block]:
    final, say, verdict = found.results["final"], found.say, found.verdict
    if final is None or verdict is None:
        yield Text(_conclusion(found))
        return
    yield Text(say("final.text", seeds=", ".join(map(str, final["seeds"]))))
    rows = [
        [say(f"arm.{name}"), *_estimate(arm["val_accuracy"], say), *_estimate(arm["test_accuracy"], say)]
        for name, arm in final["arms"].items()
    ]
    rows += [
        [say("final.diverged", arm=say(f"arm.{name}"), why=why), "", "", "", ""]
        for name, why in verdict.diverged.items()
    ]
    columns = _columns(say, "final", "arm", "val", "val_interval", "test", "test_interval")
    yield Table(say("final.caption"), columns, rows, [False, True, True, True, True])
    for split, estimate in (("val", verdict.val), ("test", verdict.test)):
        if estimate:
            yield Text(say(f"final.{split}", span=span(estimate, say)))


def _trials(found: _Found) -> Iterator[Block]:
    say, ranked = found.say, found.scene.ranked
    if not ranked:
        return
    rows = [
        [
            say("arm.baseline") if one.baseline else str(one.trial),
            f"{one.rung + 1}/{len(found.plan.rungs)}",
            _value(one.value, say),
            ", ".join(f"{key}={_shown(value)}" for key, value in one.params.items()),
        ]
        for one in ranked[:MOST]
    ]
    columns = [
        say("trials.columns.trial"),
        say("trials.columns.rung"),
        found.plan.metric,
        say("trials.columns.settings"),
    ]
    yield Table(say("trials.caption", shown=len(rows), all=len(ranked)), columns, rows, [False, True, True, False])


def _cost(found: _Found) -> Iterator[Block]:
    say, totals = found.say, found.results["totals"]
    yield Text(
        say("cost.text", search=totals["search_seconds"], training=totals["training_seconds"], epochs=totals["epochs"])
    )
    counted = [one for one in found.scene.records if one.state != "withdrawn"]
    before = {one.number: one.epochs for one in counted}
    rows = []
    for rung, epochs in enumerate(found.plan.rungs):
        here = [one for one in counted if one.rung == rung]
        own = sum(
            max(0, one.epochs - (before.get(one.continues, 0) if one.continues is not None else 0)) for one in here
        )
        failed = len([one for one in here if one.state == "failed"])
        figures = [rung + 1, epochs, len(here), failed, own]
        rows.append([*map(str, figures), say("seconds", value=sum(one.seconds for one in here))])
    columns = _columns(say, "cost", "rung", "until", "trials", "failed", "epochs", "seconds")
    yield Table(say("cost.caption"), columns, rows, [True] * len(columns))
    if found.results["final"]:
        arms = found.results["final"]["arms"]
        yield Text(say("cost.final", seconds=sum(arm["seconds"] for arm in arms.values())))


def _pictures(found: _Found) -> Iterator[Block]:
    say = found.say
    yield Figure("regret.png", say("pictures.regret", metric=found.plan.metric))
    known = found.scene.importance.known
    yield Figure("importance.png", say("pictures.importance" if known else "pictures.unknown", least=LEAST), 0.85)
    yield Figure("parallel.png", say("pictures.parallel"))
    swarm = any(one.particle is not None for one in found.scene.records)
    yield Figure("particles.png", say("pictures.particles" if swarm else "pictures.points"), 0.9)


def _space(found: _Found) -> Iterator[Block]:
    say = found.say
    rows = [[one.name, _extent(one, say), _condition(one)] for one in found.plan.space]
    yield Table(say("space.caption"), _columns(say, "space", "key", "values", "when"), rows)
    yield Text(say("space.rest"))
    yield Code(plain_yaml.dump(dict(found.plan.settings)).rstrip())


def _limits(found: _Found) -> Iterator[Block]:
    """What was not tested."""
    say, plan, scene = found.say, found.plan, found.scene
    yield Text(say("limits.validation"))
    low = sum(one.rung < scene.top for one in scene.ranked)
    if low and len(plan.rungs) > 1:
        yield Text(say("limits.rungs", low=low, all=len(scene.ranked), epochs=plan.rungs[-1]))
    yield Text(say("limits.seed"))
    if found.verdict:
        yield Text(say("limits.seeds", seeds=found.verdict.seeds))
        yield Text(say("limits.test" if found.verdict.test else "limits.no_test"))
    if earlier := earlier_comparisons(found.folder):
        yield Text(say("limits.earlier", earlier=earlier))
    if failed := sum(one.state == "failed" for one in scene.records):
        yield Text(say("limits.failed", failed=failed))
    yield Text(say("limits.else_where"))


def _reproduce(found: _Found) -> Iterator[Block]:
    say = found.say
    yield Text(say("reproduce.text", seed=found.plan.seed, sampler=found.plan.sampler))
    yield Code(f"eyas tune --resume {quote(str(found.folder))}")
    rows = [[str(name), str(value)] for name, value in found.results["environment"].items()]
    yield Table(say("reproduce.environment"), _columns(say, "reproduce", "name", "value"), rows)


def _columns(say: Phrases, part: str, *names: str) -> list[str]:
    return [say(f"{part}.columns.{name}") for name in names]


def _value(value: float | None, say: Phrases) -> str:
    return "" if value is None else say("share", value=value)


def _estimate(found: Mapping[str, float] | None, say: Phrases) -> list[str]:
    if found is None:
        return ["", ""]
    span = say("final.span", low=max(0.0, found["low"]), high=min(1.0, found["high"]))
    return [say("share", value=found["mean"]), span]


def _shown(value: Any) -> str:
    """As in YAML, numbers to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else plain_yaml.one_line(value)


def _extent(one: Dimension, say: Phrases) -> str:
    if isinstance(one, Choice):
        return " · ".join(_shown(choice) for choice in one.choices)
    text = say("space.between", low=_shown(one.low), high=_shown(one.high))
    if one.log:
        return say("space.log", span=text)
    step = own_step(one)
    return text if step is None else say("space.step", span=text, step=_shown(step))


def _condition(one: Dimension) -> str:
    return ", ".join(f"{name} = {' · '.join(_shown(v) for v in values)}" for name, values in one.when.items())
