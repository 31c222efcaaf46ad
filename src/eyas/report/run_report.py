"""A run as a document: one function a section."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from shlex import quote

import numpy as np

from eyas.core import plain_yaml
from eyas.core.config import flat_values
from eyas.core.language import Phrases
from eyas.core.schema import Config
from eyas.diagnose.findings import Finding
from eyas.diagnose.wording import phrases, say, say_certainty, tabulate
from eyas.evaluate import Evaluation
from eyas.report.balance import draw_balance
from eyas.report.diagnosis import draw_phases
from eyas.report.document import Block, Callout, Code, Document, Figure, Section, Table, Text
from eyas.report.examples import Choice, draw_examples
from eyas.report.facts import RunFacts
from eyas.report.figures import draw_confusion, draw_curves, draw_per_class, draw_reliability
from eyas.report.words import words

SHOWN_LAYERS, SHOWN_CONFUSIONS, SHOWN_EXAMPLES = 30, 10, 12
_SEVERITIES = {"error": "problem", "warning": "warning"}
METRICS = ("accuracy", "top5", "macro_f1", "nll", "ece")


def run_document(facts: RunFacts, language: str, folder: Path, on: date) -> Document:
    """Write the run's pictures into `folder`, and give the document that shows them.

    Args:
        facts: of the run.
        language: `en` or `fr`.
        folder: an empty one.
        on: the date of the report.

    Raises:
        ConfigError: a language that nobody has written.
    """
    say_it = words(language)
    name = facts.run.path.name
    parts = (_summary, _data, _model, _training, _results, _calibration, _diagnosis, _examples, _reproduce)
    return Document(
        language=language,
        title=say_it("document.run_title", run=name),
        subtitle=say_it("document.run_subtitle", model=facts.config.model.name, data=facts.check.name),
        date=say_it("document.date", year=str(on.year), month=f"{on.month:02d}", day=f"{on.day:02d}"),
        contents=say_it("document.contents"),
        figure=say_it("document.figure"),
        table=say_it("document.table"),
        sections=[
            Section(say_it(f"{part.__name__[1:]}.title"), list(part(facts, say_it, folder)))
            for part in parts
            if part is not _diagnosis or facts.diagnosis
        ],
        folder=folder,
    )


def _summary(facts: RunFacts, say_it: Phrases, folder: Path) -> Iterator[Block]:
    split, found = facts.final
    low, high = found.intervals["accuracy"]
    yield Text(
        say_it(
            "summary.text",
            model=facts.config.model.name,
            parameters=facts.parameters,
            data=facts.check.name,
            train=int(facts.class_counts["train"].sum()),
            classes=len(facts.classes),
            split=say_it(f"split.{split}"),
            images=found.images,
            accuracy=found.accuracy,
            low=low,
            high=high,
        )
    )
    if not facts.finished:
        done = {"epochs": len(facts.history["epoch"]), "planned": facts.config.train.epochs, "best": facts.best_epoch}
        text = say_it("summary.unfinished", **done)
        yield Callout(
            "warning", say_it("summary.unfinished_title"), [text], [f"eyas train --resume {quote(str(facts.run.path))}"]
        )
    if facts.diagnosis:
        certainty = say_certainty(facts.diagnosis.verdict, facts.diagnosis.decomposition, say_it.language)
        yield _callout(facts.diagnosis.verdict, say_it.language, certainty)
    else:
        yield Text(say_it("summary.no_diagnosis"))


def _data(facts: RunFacts, say_it: Phrases, folder: Path) -> Iterator[Block]:
    height, width, channels = facts.image_shape
    mode = say_it("data.grey" if channels == 1 else "data.colour")
    values = {"data": facts.check.name, "classes": len(facts.classes), "height": height, "width": width, "mode": mode}
    yield Text(say_it("data.text", **values))
    rows = []
    for split, counts in facts.class_counts.items():
        if total := int(counts.sum()):
            numbers = [say_it("number", value=int(n)) for n in (total, counts.min(), counts.max())]
            rows.append([say_it(f"split.{split}"), *numbers, say_it(f"data.use.{split}")])
    columns = _columns(say_it, "data", "split", "images", "least", "most", "use")
    yield Table(say_it("data.splits"), columns, rows, [False, True, True, True, False])
    draw_balance(facts.classes, facts.class_counts["train"], folder / "balance.png", language=say_it.language)
    yield Figure("balance.png", say_it("data.balance"), 0.9)
    if facts.check.findings:
        severities = phrases(say_it.language)
        found = [
            [severities(f"severity.{_SEVERITIES[f.severity]}"), say_it(f"check.{f.code}", count=f.count)]
            for f in sorted(facts.check.findings, key=lambda f: f.severity)  # `error` < `warning`
        ]
        yield Table(say_it("data.findings"), _columns(say_it, "data.finding", "severity", "what"), found)
    else:
        yield Text(say_it("data.sound"))
    yield Text(say_it("data.fingerprint"))
    yield Code(facts.fingerprint)


def _model(facts: RunFacts, say_it: Phrases, folder: Path) -> Iterator[Block]:
    yield Text(say_it("model.text"))
    rows = [[layer.name, layer.kind, say_it("number", value=layer.parameters)] for layer in facts.layers]
    if len(rows) > SHOWN_LAYERS:
        rows = [*rows[:SHOWN_LAYERS], ["…", say_it("model.more", count=len(rows) - SHOWN_LAYERS), ""]]
    columns = _columns(say_it, "model", "name", "kind", "parameters")
    yield Table(say_it("model.layers", parameters=facts.parameters), columns, rows, [False, False, True])
    settings = [[key, plain_yaml.one_line(value)] for key, value in flat_values(facts.config.model).items()]
    yield Table(say_it("model.settings"), _columns(say_it, "setting", "key", "value"), settings)


def _training(facts: RunFacts, say_it: Phrases, folder: Path) -> Iterator[Block]:
    train = facts.config.train
    if facts.imported:
        yield Text(say_it("training.imported"))
        return
    yield Text(
        say_it(
            "training.text",
            epochs=len(facts.history["epoch"]),
            seconds=float(facts.history["seconds"].sum()),
            batch=train.batch_size,
            optimizer=train.optimizer,
            best=facts.best_epoch,
            monitor=train.monitor,
        )
    )
    changed = _changed(facts.config)
    if changed:
        rows = [[key, value] for key, value in changed.items()]
        yield Table(say_it("training.settings"), _columns(say_it, "setting", "key", "value"), rows)
    else:
        yield Text(say_it("training.defaults"))
    if facts.diagnosis:
        draw_phases(facts.history, facts.diagnosis.phases, folder / "curves.png", say_it.language)
        yield Figure("curves.png", say_it("training.curves"))
    else:
        draw_curves(facts.run.history, folder / "curves.png", monitor=train.monitor, language=say_it.language)
        yield Figure("curves.png", say_it("training.curves_no_val"))


def _results(facts: RunFacts, say_it: Phrases, folder: Path) -> Iterator[Block]:
    rows = []
    for split, found in facts.evaluations.items():
        for metric in METRICS:
            value = found.macro.f1 if metric == "macro_f1" else getattr(found, metric)
            key = "decimal" if metric in ("nll", "macro_f1") else "percent2"
            low, high = (say_it(key, value=end) for end in found.intervals[metric])
            label = f"{say_it(f'results.metric.{metric}')} ({say_it(f'split.{split}')})"
            rows.append([label, say_it(key, value=value), f"{low} – {high}"])
    columns = _columns(say_it, "results", "metric", "value", "interval")
    yield Table(say_it("results.metrics"), columns, rows, [False, True, True])
    split, found = facts.final
    named = say_it(f"split.{split}")
    draw_confusion(found.classes, found.confusion, folder / "confusion.png", say_it.language)
    yield Figure("confusion.png", say_it("results.confusion", split=named), 0.75 if len(found.classes) <= 20 else 1.0)
    if pairs := list(_confusions(found, say_it)):
        columns = _columns(say_it, "results.confused", "true", "predicted", "images", "share")
        yield Table(say_it("results.confused"), columns, pairs, [False, False, True, True])
    draw_per_class(found, folder / "per_class.png", say_it.language)
    yield Figure("per_class.png", say_it("results.per_class", split=named), 0.7 if len(found.classes) <= 40 else 1.0)


def _calibration(facts: RunFacts, say_it: Phrases, folder: Path) -> Iterator[Block]:
    split, found = facts.final
    named = say_it(f"split.{split}")
    yield Text(say_it("calibration.text", split=named, ece=found.ece))
    if facts.temperature is not None:
        direction = say_it(f"calibration.{'softer' if facts.temperature > 1 else 'sharper'}")
        yield Text(say_it("calibration.temperature", temperature=facts.temperature, direction=direction))
    draw_reliability(found, folder / "reliability.png", say_it.language)
    yield Figure("reliability.png", say_it("calibration.figure", split=named), 0.6)


def _diagnosis(facts: RunFacts, say_it: Phrases, folder: Path) -> Iterator[Block]:
    found = facts.diagnosis
    if found is None:
        return
    columns, rows = tabulate(found.decomposition, say_it.language)
    yield Table(say_it("diagnosis.table"), columns, rows, [False, True, True, True])
    for finding in found.findings:
        yield _callout(finding, say_it.language)


def _examples(facts: RunFacts, say_it: Phrases, folder: Path) -> Iterator[Block]:
    split = say_it(f"split.{facts.final[0]}")
    yield Text(say_it("examples.text", split=split))
    choices: tuple[Choice, ...] = ("wrong", "right", "unsure")
    for choice in choices:
        rows = facts.examples.pick(choice, SHOWN_EXAMPLES)
        if len(rows):
            draw_examples(facts.examples, rows, facts.classes, folder / f"{choice}.png", say_it.language)
            yield Figure(f"{choice}.png", say_it(f"examples.{choice}"))
        elif choice == "wrong":
            yield Text(say_it("examples.no_mistakes", split=split))


def _reproduce(facts: RunFacts, say_it: Phrases, folder: Path) -> Iterator[Block]:
    run = quote(str(facts.run.path))
    yield Text(say_it("reproduce.text"))
    report = f"eyas report {run} --lang {say_it.language}"
    again = [] if facts.imported else [f"eyas train -c {run}/config.yaml"]
    yield Code("\n".join([*again, f"eyas evaluate {run}", report]))
    rows = [[name, value] for name, value in facts.environment.items()]
    yield Table(say_it("reproduce.environment"), _columns(say_it, "reproduce", "name", "value"), rows)
    yield Text(say_it("reproduce.config"))
    plain = facts.config.model_dump(mode="json", exclude={"export", "serve"})
    yield Code(plain_yaml.dump(plain, default_flow_style=None, width=90).rstrip())


def _callout(finding: Finding, language: str, more: str = "") -> Callout:
    sentence = say(finding, language)
    paragraphs = [sentence.evidence, sentence.advice, *([more[0].upper() + more[1:] + "."] if more else [])]
    return Callout(finding.severity, sentence.title, paragraphs, finding.commands)


def _columns(say_it: Phrases, section: str, *names: str) -> list[str]:
    """`data` → the phrases of `data.columns`, `data.finding` → those of `data.finding_columns`."""
    room, _, rest = section.partition(".")
    key = f"{room}.{rest}_columns" if rest else f"{room}.columns"
    return [say_it(f"{'setting_columns' if section == 'setting' else key}.{name}") for name in names]


def _confusions(found: Evaluation, say_it: Phrases) -> Iterator[list[str]]:
    """The largest cells off the diagonal."""
    wrong = found.confusion - np.diag(np.diag(found.confusion))
    for cell in np.argsort(-wrong, axis=None, kind="stable")[:SHOWN_CONFUSIONS].tolist():
        row, column = divmod(cell, len(found.classes))
        if count := int(wrong[row, column]):
            share = say_it("percent", value=count / int(found.support[row]))
            yield [found.classes[row], found.classes[column], say_it("number", value=count), share]


def _changed(config: Config) -> dict[str, str]:
    """Keys of data, augment and train that differ from their defaults, each with its value as YAML writes it."""
    sections = ("data.", "augment.", "train.")
    default = flat_values(Config()).items()
    changed = [item for item in flat_values(config).items() if item[0].startswith(sections) and item not in default]
    return {key: plain_yaml.one_line(value) for key, value in changed}
