"""`eyas data`: check, import and fetch."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli.words import AsJson, ConfigFile, print_json, read_words
from eyas.core.errors import DataError, needs_extra

if TYPE_CHECKING:
    from eyas.data import CheckReport

app = typer.Typer(help="Check, import and fetch images.", no_args_is_help=True, rich_markup_mode=None)

DataWords = Annotated[
    list[str] | None,
    typer.Argument(help="The data, then any key of the configuration as key=value.", metavar="DATA [KEY=VALUE]..."),
]


@app.command()
def check(words: DataWords = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Say what is in a dataset and what is wrong with it. The exit code is 3 where training would be spoilt.

    Example: eyas data check photos/; eyas data check fashion-mnist --json
    """
    with needs_extra("train"):
        from eyas.data import check_dataset

    _, settings = read_words(words, config)
    report = check_dataset(settings.data)
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report)
    if report.spoilt and not settings.data.force:
        raise DataError("these data would spoil training; mend them, or pass data.force=true to train all the same")


@app.command(name="import")
def import_(words: DataWords = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Decode a dataset once, so that every later command opens it in an instant.

    Example: eyas data import photos/ data.image_size=64
    """
    with needs_extra("train"):
        from eyas.core import console
        from eyas.data import open_dataset

    _, settings = read_words(words, config)
    started = perf_counter()
    dataset = open_dataset(settings.data)
    seconds = perf_counter() - started
    counts = {split.name: len(split) for split in dataset.splits}
    if as_json:
        print_json(
            {
                "name": dataset.name,
                "classes": list(dataset.classes),
                "shape": list(dataset.policy.shape),
                "images": counts,
                "fingerprint": dataset.fingerprint,
                "seconds": seconds,
            }
        )
        return
    rows = [
        ("classes", len(dataset.classes)),
        ("image", "×".join(map(str, dataset.policy.shape))),
        *((name, f"{count:,}") for name, count in counts.items()),
        ("fingerprint", dataset.fingerprint[:16] + "…"),
        ("opened in", f"{seconds:.2f} s"),
    ]
    console.out.print(console.table(dataset.name, ("what", "value"), rows))


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="mnist, fashion-mnist, cifar10, cifar100, kaggle:owner/name.")]) -> None:
    """Download a named dataset, whole and checked; a broken download goes on where it stopped.

    Example: eyas data fetch cifar100
    """
    with needs_extra("train"):
        from eyas.data import fetch as download

    typer.echo(f"{name} lies in {download(name)}")


def print_report(report: CheckReport) -> None:
    """The report's tables on standard output."""
    from eyas.core import console

    for title, columns, rows in report.tables():
        console.out.print(console.table(title, columns, rows))
