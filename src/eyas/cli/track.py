"""`eyas track`: what the trackers do not have yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyas.cli.words import AsJson, print_json
from eyas.core.errors import ConfigError, TrackingError

app = typer.Typer(
    help="Send what MLflow or Weights & Biases do not have yet.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    pass


@app.command()
def sync(
    run: Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN")],
    as_json: AsJson = False,
) -> None:
    """Deliver the records of a run that wait for a tracker which was out of reach. Sending again changes nothing.

    Example: eyas track sync runs/digits-cnn-1
    """
    from eyas.core.runs import open_run
    from eyas.track.delivery.process import deliver, require_library, wanted
    from eyas.track.delivery.spool import Spool

    spool = Spool(open_run(run).path)
    if not spool.trackers():
        raise ConfigError(f"{run} has nothing to send: it was trained without track=[mlflow] or track=[wandb]")
    for tracker in wanted(spool.trackers()):
        require_library(tracker)
    outcomes = deliver(spool)
    if as_json:
        print_json([{"tracker": o.tracker, "left": o.left, "error": o.error, "refused": o.refused} for o in outcomes])
    for outcome in outcomes:
        if outcome.refused:
            typer.echo(f"warning: {outcome.tracker} took all but what it refuses: {outcome.refused}", err=True)
        if not (as_json or outcome.error):
            typer.echo(f"{outcome.tracker} has everything")
    if failed := [f"{o.tracker}: {o.left} records wait ({o.error})" for o in outcomes if o.error]:
        raise TrackingError("; ".join(failed))
