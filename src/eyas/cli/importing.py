"""`eyas import`: a network that was trained elsewhere, from then on like any other."""

from __future__ import annotations

import typer

from eyas.cli import import_graph, import_keras

app = typer.Typer(
    help="Take in a network that was trained elsewhere.\n\nExample: eyas import keras model.keras --data photos/",
    no_args_is_help=True,
)
app.command("keras")(import_keras.import_keras)
import_graph.register(app)
