"""The verb that shows runs and studies while they go on: ui. It needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyas.core.errors import needs_extra


def ui(
    runs_dir: Annotated[
        Path, typer.Argument(help="The folder of run folders, and of studies.", metavar="[RUNS_DIR]")
    ] = Path("runs"),
    port: Annotated[int, typer.Option(help="The port; 0 takes any that is free.", min=0, max=65535)] = 5050,
    host: Annotated[str, typer.Option(help="The address.")] = "127.0.0.1",
    open_to_network: Annotated[
        bool, typer.Option("--open-to-network", help="Show all runs to whoever reaches the port.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Show runs and studies on a page that follows them live, in a browser, until Ctrl-C. It changes nothing.

    Example: eyas ui; eyas ui runs --port 5051 --open
    """
    with needs_extra("serve"):
        from eyas.ui.server import follow

    if not runs_dir.exists():
        typer.echo(f"{runs_dir} does not exist yet; the page will show what comes", err=True)

    def tell(url: str) -> None:
        typer.echo(f"{url} shows {runs_dir}; Ctrl-C ends it", err=True)
        if open_browser:
            typer.launch(url)

    follow(runs_dir, host, port, open_to_network=open_to_network, tell=tell)
