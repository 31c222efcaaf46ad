"""`eyas deploy`: the files that bring a bundle into production."""

from __future__ import annotations

import typer

from eyas.cli import containers, deploy_doctor, deploy_files, deploy_roll_out

app = typer.Typer(
    help="Write the files that bring a bundle into production, and say what is missing.\n\n"
    "Example: eyas deploy doctor; eyas deploy k8s --bundle model --image registry.example.com/digits:1",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    pass


app.command()(containers.image)
app.command()(containers.compose)
app.command()(deploy_files.k8s)
app.command()(deploy_files.cloudrun)
app.command()(deploy_files.ecs)
app.command()(deploy_files.azure)
app.add_typer(deploy_roll_out.app, name="roll-out")
app.command()(deploy_doctor.doctor)
