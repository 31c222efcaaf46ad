"""The terminal: one console, one table style, one progress bar. Colours are off when the output is piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table whose first column is text and whose numeric cells are right-aligned."""
    cells = [[str(cell) for cell in row] for row in rows]
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", expand=False)
    for index, column in enumerate(columns):
        numeric = index > 0 and all(_is_number(row[index]) for row in cells)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        made.add_row(*map(Text, row))  # not markup: a class may be called `[a]`
    return made


def progress(*, transient: bool = False) -> Progress:
    """A bar with count, ETA and a `status` field, in 80 columns of standard error; silent where that is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
        console=err,
        transient=transient,
        disable=not sys.stderr.isatty(),
    )


def _is_number(cell: str) -> bool:
    return cell.translate(dict.fromkeys(map(ord, "<,.%-"))).strip().isdigit() or not cell
