"""The terminal: one console, one table style, one progress bar.

In a pipe there are no colours and no bars, and lines are as long as they are: what reads them counts lines. NO_COLOR
takes the colours away in a terminal too, FORCE_COLOR brings them into a pipe, COLUMNS sets the width anywhere.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Literal, NoReturn

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

PIPED = 10_000
"""Columns: no cell is folded."""


def _columns() -> int | None:
    """Of standard output; None: those of the terminal, or COLUMNS."""
    return None if "COLUMNS" in os.environ or sys.stdout.isatty() else PIPED


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """The command's own end decides what that means; Rich would end with code 1, without a word."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


out = _Console(highlight=False, soft_wrap=False, width=_columns())
err = _Console(stderr=True, highlight=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, cut: str | None = None) -> Table:
    """A table whose first column is text and whose numeric cells are right-aligned.

    Args:
        cut: a column whose cells stay in one line, cut where the terminal ends; those of others are folded.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    heading = Text(title, style="bold")  # no markup: a file may be named `[a].png`
    made = Table(title=heading, title_justify="left", header_style="bold", min_width=len(title))
    for index, column in enumerate(columns):
        own = [row[index] for row in cells]
        justify: Literal["left", "right"] = "right" if index > 0 and all(map(_is_number, own)) else "left"
        # Rich narrows only columns that may wrap: the others keep their width, and the text itself is cut.
        width = max(map(len, (column, *own))) if cut and column != cut else None
        made.add_column(column, justify=justify, overflow="fold", width=width)
    for row in cells:
        made.add_row(
            *(
                Text(cell, no_wrap=True, overflow="ellipsis")
                if column == cut
                else Text(cell)  # no markup: `[a]` is a class
                for column, cell in zip(columns, row, strict=True)
            )
        )
    return made


def warn(text: str) -> None:
    """`warning: …`, one line on standard error, yellow in a terminal. Nothing in the text is markup."""
    shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)  # no file's name colours a log
    err.print(f"warning: {shown}", style="yellow", markup=False, emoji=False)


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
