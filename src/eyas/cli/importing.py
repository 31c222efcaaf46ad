"""`eyas import`: models from elsewhere become bundles."""

from __future__ import annotations

import typer

from eyas.cli import import_graph

app = typer.Typer(no_args_is_help=True, help="Make a bundle of a model from elsewhere.")
import_graph.register(app)
