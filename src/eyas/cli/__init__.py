"""The `eyas` command: one thin function a verb. Each imports its stage inside, so that `--help` is instant."""

from __future__ import annotations

import sys

import typer

from eyas.cli import (
    answer,
    backup,
    benchmark,
    compare,
    data,
    demo,
    deploy,
    diagnose,
    doctor,
    explain,
    importing,
    learn,
    models,
    monitor,
    replay,
    report,
    rollout,
    smoke,
    track,
    trust,
    tune,
)
from eyas.core.errors import EyasError

app = typer.Typer(
    name="eyas",
    help="From a folder of images to a prediction service: check, train, evaluate, export, serve.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data.app, name="data")
app.command()(learn.init)
app.command()(learn.train)
app.add_typer(importing.app, name="import")
app.command()(learn.evaluate)
app.command()(diagnose.diagnose)
app.command()(report.report)
app.command()(learn.export)
app.command()(compare.compare)
app.command()(compare.learning_curve)
app.command()(tune.tune)
app.add_typer(track.app, name="track")
app.command()(answer.predict)
app.command()(explain.explain)
app.command()(answer.serve)
app.command()(monitor.monitor)
app.command()(monitor.feedback)
app.command()(replay.replay)
app.command()(trust.token)
app.command()(trust.sign)
app.command()(benchmark.benchmark)
app.add_typer(models.app, name="models")
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(rollout.app, name="rollout")
app.add_typer(deploy.app, name="deploy")
app.command()(smoke.smoke)
app.command()(demo.demo)
app.command()(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        from eyas import __version__

        typer.echo(f"eyas {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_print_version, is_eager=True),
) -> None:
    pass


def main() -> None:
    """Run the command line; an `EyasError` becomes its message and its exit code (see `core.errors`)."""
    try:
        app()
    except EyasError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stdout = None
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
