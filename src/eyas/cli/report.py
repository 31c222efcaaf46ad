"""`eyas report`: a run, a study or what a service's monitor has found, as a document to hand in or to read."""

from __future__ import annotations

import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, Lang, tell
from eyas.core.errors import ConfigError, needs_extra
from eyas.core.marks import COMPARISON, PREDICTIONS, RUN, SEARCH

if TYPE_CHECKING:
    from eyas.report.document import Document
    from eyas.report.monitoring import Asked


def report(
    path: Annotated[
        Path,
        typer.Argument(
            help="A run folder, a study's, or that of a service's monitor.",
            metavar="RUN|STUDY|MONITOR",
            autocompletion=completion.reported,
        ),
    ],
    lang: Lang = "en",
    pdf: Annotated[bool, typer.Option("--pdf", help="Typeset a PDF (so too where no form is named).")] = False,
    html: Annotated[bool, typer.Option("--html", help="Write one HTML page that needs nothing else.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; RUN by default.", metavar="DIR")] = None,
    days: Annotated[float | None, typer.Option(help="Of a monitor: the last ones alone.", metavar="N")] = None,
    model: Annotated[str | None, typer.Option(help="Of a monitor: this model alone.")] = None,
    version: Annotated[str | None, typer.Option(help="Of a monitor: this version alone.")] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Of a monitor: the service's serve.monitor.store, where it has one.", metavar="FILE|URL"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a report: data, model, settings, curves, results, calibration, diagnosis, examples, how to reproduce it.

    Of a study: its arms, their ranking, how sure it is, and the conclusion. Of a search by eyas tune: whether it beat
    the baseline, the best configuration, trials, cost, pictures, and what was not tested. A run's test split is
    measured for it, and recorded in the run unless --out names another folder. Of a monitor: traffic, each alarm with
    what changed and the images that caused it, and the accuracy by labels.

    Example: eyas report runs/digits-cnn-1 --pdf --html; eyas report runs/digits-optimizers-1 --lang fr; eyas report
    monitor --html --days 7
    """
    from eyas.core.language import require_language

    require_language(lang)
    with needs_extra("train"):
        from eyas.report import write_html, write_pdf
        from eyas.report.monitoring import Asked

    asked = Asked(days, model, version)
    wrote: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        document = _document(path, lang, Path(folder), asked, store, record=out is None)
        for wanted, write, suffix in ((pdf or not html, write_pdf, "pdf"), (html, write_html, "html")):
            if wanted:
                file = (out or path) / f"report-{lang}.{suffix}"
                write(document, file)
                wrote.append(str(file))
    tell(as_json, {"wrote": wrote}, *(f"wrote {file}" for file in wrote))


def _document(path: Path, lang: str, folder: Path, asked: Asked, store: str | None, *, record: bool) -> Document:
    from eyas.monitor.folder import is_monitor_folder
    from eyas.report.monitoring import Asked

    today = datetime.now().astimezone().date()
    if store or is_monitor_folder(path):
        return _of_monitor(path, lang, folder, today, asked, store)
    if asked != Asked():
        raise ConfigError(f"--days, --model and --version need the folder of a service's monitor, got {path}")
    if (path / SEARCH).is_file():
        return _of_search(path, lang, folder, today)
    if (path / COMPARISON).is_file():
        return _of_study(path, lang, folder, today)
    if not any(path.glob(RUN)) and not any(path.glob(f"*/{RUN}")):
        raise ConfigError(f"{path} must be a run, a study or the folder of a service's monitor; it is none of them")
    return _of_run(path, lang, folder, today, record=record)


def _of_monitor(path: Path, lang: str, folder: Path, on: date, asked: Asked, store: str | None) -> Document:
    from time import time

    from eyas.monitor.store import open_store, require_there
    from eyas.report.monitoring import gather, monitor_document

    if store is None and not (path / PREDICTIONS).is_file():
        raise ConfigError(f"{path} has no {PREDICTIONS}: --store must name the store, as serve.monitor.store does")
    if store:
        require_there(store)
    opened = open_store(store or path / PREDICTIONS)
    try:
        return monitor_document(gather(path, opened, asked, time()), lang, folder, on)
    finally:
        opened.close()


def _of_run(path: Path, lang: str, folder: Path, on: date, *, record: bool) -> Document:
    from eyas.api.looking_back import look_at
    from eyas.report import run_document

    return run_document(look_at(path, record=record), lang, folder, on)


def _of_search(path: Path, lang: str, folder: Path, on: date) -> Document:
    from eyas.tune.document import tune_document

    return tune_document(path, lang, folder, on)


def _of_study(path: Path, lang: str, folder: Path, on: date) -> Document:
    from eyas.compare.document import study_document
    from eyas.compare.plan import load_plan
    from eyas.compare.running import check_going_on, read_results
    from eyas.data import open_dataset

    plan = load_plan(path)
    if plan.kind != "compare":
        raise ConfigError(f"{path} must be a run, or a study of eyas compare or eyas tune, got one of eyas {plan.kind}")
    dataset = open_dataset(plan.base().data)
    check_going_on(path, plan, {}, dataset)
    return study_document(path, plan, read_results(path, plan, dataset), lang, folder, on)
