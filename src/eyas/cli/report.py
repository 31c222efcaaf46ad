"""`eyas report`: a run as a document to hand in or to read."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from eyas.core.errors import needs_extra


def report(
    path: Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN")],
    lang: Annotated[str, typer.Option("--lang", help="en or fr.", metavar="LANG")] = "en",
    pdf: Annotated[bool, typer.Option("--pdf", help="Typeset a PDF (so too where no form is named).")] = False,
    html: Annotated[bool, typer.Option("--html", help="Write one HTML page that needs nothing else.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; RUN by default.", metavar="DIR")] = None,
) -> None:
    """Write a report: data, model, settings, curves, results, calibration, diagnosis, examples, how to reproduce it.

    The test split is measured for it.

    Example: eyas report runs/digits-cnn-1 --pdf --html; eyas report runs/digits-cnn-1 --lang fr
    """
    from eyas.core.language import require_language

    require_language(lang)
    with needs_extra("train"):
        from eyas.cli.looking_back import look_at
        from eyas.report import run_document, write_html, write_pdf

    facts = look_at(path)
    target = out or path
    with tempfile.TemporaryDirectory() as folder:
        document = run_document(facts, lang, Path(folder), datetime.now(UTC).date())
        for wanted, write, suffix in ((pdf or not html, write_pdf, "pdf"), (html, write_html, "html")):
            if wanted:
                file = target / f"report-{lang}.{suffix}"
                write(document, file)
                typer.echo(f"wrote {file}")
