"""The answering verbs: predict, serve. Neither needs torch."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, ConfigFile, Overrides, find_bundle, print_json, read_words
from eyas.core.errors import ConfigError, InputError, needs_extra

if TYPE_CHECKING:
    from eyas.files import FileRow


def predict(
    words: Annotated[
        list[str],
        typer.Argument(
            help="A bundle, or a run folder that holds one; with --url neither. Then files, folders, or - for "
            "standard input; serve.threads=…, serve.max_pixels=… and serve.outlier_rate=… hold here too.",
            metavar="[BUNDLE] IMAGE... [KEY=VALUE]...",
            autocompletion=completion.bundles,
        ),
    ],
    url: Annotated[
        str | None,
        typer.Option(help="Ask the service there, with the token of EYAS_TOKEN, in place of a bundle."),
    ] = None,
    model: Annotated[str, typer.Option(help="Of the service's models; with --url.")] = "",
    version: Annotated[str, typer.Option(help="Of the model; with --url.")] = "",
    form: Annotated[Literal["table", "json", "csv"], typer.Option("--format", "-f", help="Of the answer.")] = "table",
    top: Annotated[int, typer.Option(help="Classes to list for each image.", min=1)] = 3,
    as_json: AsJson = False,
) -> None:
    """Say what is in images. An image that cannot be read is named, and the exit code is then 6.

    Example: eyas predict runs/digits-mlp-1 photo.png scans/ --format csv;
    eyas predict --url http://localhost:5000 photo.png
    """
    if url is None:
        if model or version:
            raise ConfigError("--model and --version choose among a service's models: they need --url")
        rows = _predict_here(words, top)
    else:
        rows = _ask(url, words, model, version, top)
    if as_json or form == "json":
        print_json([asdict(row) for row in rows])
    elif form == "csv":
        _print_csv(rows)
    else:
        _print_table(rows)
    if failed := [row for row in rows if row.error]:
        raise InputError("; ".join(str(row.error) for row in failed[:3]) + _rest(len(failed) - 3))


def serve(
    target: Annotated[
        Path | None,
        typer.Argument(
            help="A bundle, a run folder that holds one, or a repository; AIP_STORAGE_URI by default.",
            metavar="BUNDLE|RUN|REPO",
            autocompletion=completion.servable,
        ),
    ] = None,
    overrides: Overrides = None,
    config: ConfigFile = None,
    port: Annotated[int | None, typer.Option(help="The port; serve.port by default.")] = None,
    host: Annotated[str | None, typer.Option(help="The address; serve.host by default.")] = None,
) -> None:
    """Answer over HTTP: /predict, /health, /model-info, /docs.

    A repository's live versions are served, and followed as they change.

    Example: eyas serve runs/digits-mlp-1 --port 5000; eyas serve models serve.admin=true
    """
    with needs_extra("serve"):
        from eyas.core.config import is_override
        from eyas.serve.environment import stored_bundle, with_environment
        from eyas.serve.server import serve as run_server

    words = list(overrides or [])
    if target is not None and is_override(str(target)):  # the bundle was left out
        words.insert(0, str(target))
        target = None
    if target is None and (target := stored_bundle(os.environ)) is None:
        raise ConfigError("there is no BUNDLE to serve: name it, or set AIP_STORAGE_URI")
    words += [f"serve.port={port}"] if port is not None else []
    words += [f"serve.host={host}"] if host is not None else []
    _, settings = read_words(words, config)
    run_server(find_bundle(target), with_environment(settings.serve, os.environ))


def _predict_here(words: list[str], top: int) -> list[FileRow]:
    with needs_extra("serve"):
        from eyas.bundle import open_bundle
        from eyas.core.config import is_override, load_config
        from eyas.infer import Predictor, predict_files
        from eyas.monitor.streaming import open_scoring

    bundle, *files = [word for word in words if not is_override(word)] or [""]
    if not files:
        raise ConfigError(f"a bundle and then images are expected, got {' '.join(words)}; --url asks a service instead")
    settings = load_config(None, [word for word in words if is_override(word)]).serve
    opened = open_bundle(find_bundle(Path(bundle)))
    scoring = open_scoring(opened.reference(), settings.outlier_rate)
    predictor = Predictor(opened, settings.threads, scoring.attempt if scoring and scoring.tells_unknown else None)
    return list(predict_files(predictor, files, top=top, max_pixels=settings.max_pixels))


def _ask(url: str, words: list[str], model: str, version: str, top: int) -> list[FileRow]:
    with needs_extra("client"):
        from eyas.client import Client, predict_files
        from eyas.core.config import is_override

    if overrides := [word for word in words if is_override(word)]:
        raise ConfigError(f"with --url the service's own configuration holds: leave {' '.join(overrides)} out")
    with Client(url) as client:
        return list(predict_files(client, words, top=top, model=model, version=version))


def _print_table(rows: Iterable[FileRow]) -> None:
    from eyas.core import console

    cells = [
        (row.file, row.label, f"{row.confidence:.2%}", _doubts(row), _others(row))
        for row in rows
        if row.confidence is not None
    ]
    if cells:
        console.out.print(console.table("", ("image", "class", "confidence", "doubt", "then"), cells))


def _doubts(row: FileRow) -> str:
    said = {"unknown": row.unknown, "needs review": row.needs_review}
    return ", ".join(doubt for doubt, holds in said.items() if holds)


def _others(row: FileRow) -> str:
    return ", ".join(f"{label} {share:.2%}" for label, share in row.top[1:])


def _print_csv(rows: Iterable[FileRow]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("file", "index", "label", "confidence", "needs_review", "unknown", "error"))
    writer.writerows((r.file, r.index, r.label, r.confidence, r.needs_review, r.unknown, r.error) for r in rows)


def _rest(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
