"""`eyas benchmark`: latency and throughput of a server over a bundle, beside raw ONNX Runtime in the same run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eyas.cli.words import AsJson, BundlePath, Overrides, Token, find_bundle, print_json
from eyas.core.errors import ServingError, needs_extra

if TYPE_CHECKING:
    from eyas.bench import Row
    from eyas.bundle import Bundle, Manifest


def benchmark(
    bundle: BundlePath,
    overrides: Overrides = None,
    url: Annotated[
        str | None, typer.Option(help="A server that runs, and serves this bundle; one is started by default.")
    ] = None,
    body: Annotated[Literal["json", "file"], typer.Option(help="Pixels as numbers, or a PNG file.")] = "json",
    concurrency: Annotated[
        list[int] | None,
        typer.Option("--concurrency", "-n", help="Connections; repeatable. 1, 4, 16 by default.", min=1),
    ] = None,
    seconds: Annotated[float, typer.Option(help="For each number of connections, of each side.", min=0.1)] = 2.0,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Measure requests a second and latency at several numbers of connections, beside raw ONNX Runtime in turn.

    Raw ONNX Runtime has as many processes as the server has workers, with as many threads (serve.workers,
    serve.threads), and no HTTP. The load runs on this machine too and takes its share of it.

    Example: eyas benchmark runs/digits-cnn-1; eyas benchmark model --body file -n 1 -n 8 serve.workers=1
    """
    with needs_extra("serve"):
        from eyas.bench import measure, parse_url
        from eyas.bundle import open_bundle
        from eyas.core.config import load_config
        from eyas.core.machine import usable_cores

    workers, threads = load_config(None, overrides or ()).serve.shares(usable_cores())
    share = {"workers": workers, "threads": threads}
    opened = open_bundle(find_bundle(bundle))
    with _server(opened, overrides or [], url) as address:
        at = parse_url(address)
        numbers = concurrency or (1, 4, 16)
        rows = [*measure(opened, at, body=body, concurrencies=numbers, seconds=seconds, token=token, **share)]
    _tell(rows, {**_describe(opened.manifest), "body": body, "seconds": seconds, **share}, as_json=as_json)
    if not any(row.requests_per_second for row in rows):
        raise ServingError("no request was answered with status 200; the table has the errors; EYAS_TOKEN is the token")


def _describe(manifest: Manifest) -> dict[str, object]:
    precision = manifest.quantisation.precision if manifest.quantisation else "fp32"
    return {"version": manifest.version, "precision": precision}


def _tell(rows: list[Row], about: dict[str, object], *, as_json: bool) -> None:
    from eyas.core.machine import cpu_name

    about = {**about, "processor": cpu_name()}
    if as_json:
        print_json({**about, "rows": [asdict(row) for row in rows]})
    else:
        _print(rows, about)


@contextmanager
def _server(bundle: Bundle, overrides: list[str], url: str | None) -> Iterator[str]:
    """The URL of the server that runs, or of one for the block."""
    from eyas.cli.local_server import local_server

    if url is not None:
        yield url
    else:
        with local_server(bundle.path, overrides) as started:
            yield started


def _print(rows: list[Row], about: dict[str, object]) -> None:
    from eyas.core import console

    title = (
        f"{about['version']} ({about['precision']}), {about['body']} bodies; {about['workers']} workers of "
        f"{about['threads']} thread(s) each; {about['processor']}"
    )
    columns = ("at once", "req/s", "p50 ms", "p95 ms", "p99 ms", "raw/s", "of raw", "errors")
    cells = [
        (
            row.concurrency,
            f"{row.requests_per_second:.0f}",
            *(_milliseconds(value) for value in (row.p50_ms, row.p95_ms, row.p99_ms)),
            f"{row.raw_per_second:.0f}",
            f"{row.share:.0%}",
            ", ".join(f"{count} × {what}" for what, count in row.errors.items()),
        )
        for row in rows
    ]
    console.out.print(console.table(title, columns, cells))


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
