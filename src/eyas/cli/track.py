"""`eyas track`: what the trackers do not have yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, print_json
from eyas.core.errors import ConfigError, TrackingError, require_library
from eyas.core.marks import FINAL, RUNS, is_study

if TYPE_CHECKING:
    from eyas.track.delivery.process import Outcome
    from eyas.track.delivery.spool import Spool

app = typer.Typer(
    help="Send what MLflow or Weights & Biases do not have yet.\n\nExample: eyas track sync runs/digits-cnn-1",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    pass


@app.command()
def sync(
    run: Annotated[
        Path, typer.Argument(help="A run folder, or a study.", metavar="RUN|STUDY", autocompletion=completion.tracked)
    ],
    as_json: AsJson = False,
) -> None:
    """Deliver the records of a run, or of a study and its runs, that wait for a tracker which was out of reach.

    Sending again changes nothing.

    Example: eyas track sync runs/digits-cnn-1; eyas track sync runs/digits-optimizers-1
    """
    from eyas.track.delivery.process import wanted, warn_of_refusal

    spools = _spools(run)
    if not spools:
        raise ConfigError(f"{run} has nothing to send: it was trained without track=[mlflow] or track=[wandb]")
    for tracker in wanted({name for spool in spools for name in spool.trackers()}):
        require_library(tracker)
    outcomes, untried = _deliver_all(spools)
    if as_json:
        print_json([{"tracker": o.tracker, "left": o.left, "error": o.error, "refused": o.refused} for o in outcomes])
    for outcome in outcomes:
        warn_of_refusal(outcome)
    if failed := [f"{o.tracker}: {o.left} records wait ({o.error})" for o in outcomes if o.error]:
        rest = f"; {untried} more runs of the study were not tried" if untried else ""
        raise TrackingError("; ".join(failed) + rest)
    if not as_json:
        for tracker in dict.fromkeys(outcome.tracker for outcome in outcomes):
            typer.echo(f"{tracker} has everything")


def _deliver_all(spools: list[Spool]) -> tuple[list[Outcome], int]:
    """What came of each, and how many were not tried: where one cannot be sent, no other is waited for."""
    from eyas.track.delivery.process import deliver

    outcomes: list[Outcome] = []
    for done, spool in enumerate(spools, start=1):
        outcomes += deliver(spool)
        if any(outcome.error for outcome in outcomes):
            return outcomes, len(spools) - done
    return outcomes, 0


def _spools(path: Path) -> list[Spool]:
    """Of a run that is tracked; of a study, its own and its runs'."""
    from eyas.core.runs import open_run
    from eyas.track.delivery.spool import Spool

    runs = [run for inside in (f"{RUNS}/*/", f"{FINAL}*/{RUNS}/*/") for run in sorted(path.glob(inside))]
    folders = [path, *runs] if is_study(path) else [open_run(path).path]
    return [spool for spool in map(Spool, folders) if spool.trackers()]
