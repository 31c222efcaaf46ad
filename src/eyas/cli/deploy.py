"""`eyas deploy`: the files that bring a bundle into production."""

from __future__ import annotations

import typer

from eyas.cli import containers

app = typer.Typer(
    help="Write the files that bring a bundle into production, and say what is missing.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    pass


app.command()(containers.image)
app.command()(containers.compose)
