"""`eyas report`: a run or a study as a document to hand in or to read."""

from __future__ import annotations

import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.core.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from eyas.report.document import Document


def report(
    path: Annotated[Path, typer.Argument(help="A run folder, or a study's.", metavar="RUN|STUDY")],
    lang: Annotated[str, typer.Option("--lang", help="en or fr.", metavar="LANG")] = "en",
    pdf: Annotated[bool, typer.Option("--pdf", help="Typeset a PDF (so too where no form is named).")] = False,
    html: Annotated[bool, typer.Option("--html", help="Write one HTML page that needs nothing else.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; RUN by default.", metavar="DIR")] = None,
) -> None:
    """Write a report: data, model, settings, curves, results, calibration, diagnosis, examples, how to reproduce it.

    Of a study: its arms, their ranking, how sure it is, and the conclusion. Of a search by eyas tune: whether it beat
    the baseline, the best configuration, trials, cost, pictures, and what was not tested. A run's test split is
    measured for it, and recorded in the run unless --out names another folder.

    Example: eyas report runs/digits-cnn-1 --pdf --html; eyas report runs/digits-optimizers-1 --lang fr
    """
    from eyas.core.language import require_language

    require_language(lang)
    with needs_extra("train"):
        from eyas.report import write_html, write_pdf

    with tempfile.TemporaryDirectory() as folder:
        today = datetime.now().astimezone().date()
        if (path / "tune.yaml").exists():
            document = _of_search(path, lang, Path(folder), today)
        elif (path / "study.yaml").exists():
            document = _of_study(path, lang, Path(folder), today)
        else:
            document = _of_run(path, lang, Path(folder), today, record=out is None)
        for wanted, write, suffix in ((pdf or not html, write_pdf, "pdf"), (html, write_html, "html")):
            if wanted:
                file = (out or path) / f"report-{lang}.{suffix}"
                write(document, file)
                typer.echo(f"wrote {file}")


def _of_run(path: Path, lang: str, folder: Path, on: date, *, record: bool) -> Document:
    from eyas.cli.looking_back import look_at
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
