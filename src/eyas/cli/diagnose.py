"""`eyas diagnose`: what is wrong, how sure that is, what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, Lang, print_json
from eyas.core.errors import needs_extra

if TYPE_CHECKING:
    from eyas.diagnose import Diagnosis


def diagnose(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="A run; with others that differ by their seed alone.", metavar="RUN...", autocompletion=completion.runs
        ),
    ],
    human_error: Annotated[
        float | None,
        typer.Option(help="A person's error, or the least possible, in [0, 1).", metavar="E"),
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Bias or variance above this is high.", metavar="E")] = 0.02,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with a run or its data: bias or variance, the learning rate, labels, leaks, other splits.

    Each finding comes with its evidence and the next command. JSON and the curves go to RUN/diagnosis.

    Example: eyas diagnose runs/digits-mlp-1; eyas diagnose runs/digits-mlp-* --human-error 0.005
    """
    from eyas.core.language import require_language

    require_language(lang)
    with needs_extra("train"):
        from eyas.api.looking_back import diagnose_runs
        from eyas.report import write_diagnosis

    found = diagnose_runs(runs, human_error, tolerance)
    folder = write_diagnosis(found, runs[0], runs[0] / "history.csv")
    if as_json:
        print_json(found.to_json())
        return
    _print(found, runs[0], lang)
    typer.echo(f"JSON and curves: {folder}")


def _print(found: Diagnosis, run: Path, lang: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from eyas.core import console
    from eyas.diagnose.wording import phrases, say, say_certainty, tabulate

    words = phrases(lang)
    title = f"{run}: {say(found.verdict, lang).title}"
    columns, rows = tabulate(found.decomposition, lang)
    console.out.print(console.table(title, columns, rows))
    typer.echo(say_certainty(found.verdict, found.decomposition, lang))
    for finding in found.findings:
        sentence = say(finding, lang)
        typer.echo(f"\n{words(f'severity.{finding.severity}')}: {sentence.title}")
        for line in (sentence.evidence, sentence.advice):
            console.out.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
        for command in finding.commands:
            typer.echo(f"    {command}")
