"""The `eyas` command: one thin function a verb. Each imports its stage inside, so that `--help` is instant."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

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
    ui,
)
from eyas.cli.failing import (
    PastTyper,
    UsageError,
    Verbs,
    exit_codes_line,
    fail,
    is_read,
    let_go,
    usage_message,
    wants_json,
)
from eyas.cli.words import JSON_FLAG
from eyas.core.errors import ConfigError, EyasError

COMPLETION = "_EYAS_COMPLETE"
"""By this variable a shell asks."""
app = typer.Typer(
    name="eyas",
    cls=Verbs,
    epilog=exit_codes_line(),
    invoke_without_command=True,
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
app.command()(ui.ui)
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
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_print_version, is_eager=True),
    as_json: bool = typer.Option(False, JSON_FLAG, help="Of `eyas` alone: where you are, as one JSON document."),
) -> None:
    """From a folder of images to a prediction service: check, train, evaluate, export, serve.

    Without a command it says where you are on that road, from what lies in this folder, and what comes next.

    Example: eyas; eyas --json
    """
    if context.invoked_subcommand is None:
        _show_road(as_json)
    elif as_json:
        raise ConfigError(f"{JSON_FLAG} belongs behind the command: eyas {context.invoked_subcommand} … {JSON_FLAG}")


def _show_road(as_json: bool) -> None:
    from eyas.cli.road import show

    show(as_json)


def main() -> None:
    """Run the command line; an `EyasError` becomes its message and its exit code (see `core.errors`)."""
    words = sys.argv[1:]
    as_json = wants_json(words)
    try:
        if words in ([], [JSON_FLAG]) and COMPLETION not in os.environ:
            _show_road(as_json)  # Typer takes longer to read no words than this does
        else:
            _run(as_json)
    except EyasError as error:
        fail(type(error).__name__, str(error), error.exit_code, as_json=as_json)
    except UsageError as error:
        fail("UsageError", usage_message(error), ConfigError.exit_code, as_json=as_json)
    except typer.Abort:  # standard input has ended where something was asked for
        fail("Abort", "standard input has ended", 1, as_json=as_json)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and not is_read():  # who read has seen enough
            let_go()
            return
        message = f"{error.filename or 'a file'}: {error.strerror or error}"
        fail(type(error).__name__, message, 1, as_json=as_json)
    except KeyboardInterrupt:
        fail("KeyboardInterrupt", "stopped", 130, as_json=as_json)


def _run(as_json: bool) -> NoReturn:
    try:
        sys.exit(app(standalone_mode=not as_json))  # it tells of wrong words itself, but not as JSON
    except PastTyper as past:
        raise past.error from None
