"""`eyas smoke`: does a live service answer as its bundle says? For pipelines, and after every deployment."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, Token, find_bundle, print_json
from eyas.core.errors import ConfigError, ServingError, needs_extra

if TYPE_CHECKING:
    from eyas.deploy.smoke import Report

BundleOption = Annotated[
    Path,
    typer.Option(
        "--bundle",
        help="A bundle, or a run folder that holds one.",
        metavar="BUNDLE",
        autocompletion=completion.bundles,
    ),
]
LatencyMs = Annotated[
    float | None, typer.Option("--latency-ms", help="The p95 may not be above this.", min=0.001, metavar="MS")
]
Requests = Annotated[int, typer.Option("--requests", help="One after the other, for the p95.", min=1)]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", help="For every request; may be given several times.", metavar="'NAME: VALUE'"),
]
WaitSeconds = Annotated[float, typer.Option("--wait", help="Seconds until it must be ready.", min=0.0)]


def smoke(
    url: Annotated[str, typer.Argument(help="Where the service is.", metavar="URL")],
    bundle: BundleOption,
    latency_ms: LatencyMs = None,
    requests: Requests = 50,
    token: Token = "",
    header: Headers = None,
    model: Annotated[str, typer.Option(help="Of a service with several; its default where left out.")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds for one answer.", min=0.01)] = 10.0,
    wait: WaitSeconds = 0.0,
    as_json: AsJson = False,
) -> None:
    """Ask a live service whether it is the bundle: its probes, version, golden predictions, refusals, p95 and metrics.

    The exit code is 7 where a check fails.

    Example: eyas smoke https://digits.example.com --bundle model --latency-ms 100 --wait 60
    """
    with needs_extra("client"):
        from eyas.bundle import open_bundle
        from eyas.deploy.smoke import Expected, Service
        from eyas.deploy.smoke import smoke as run_smoke

    expected = Expected(open_bundle(find_bundle(bundle)), latency_ms, requests, model)
    with Service(url, token=token, headers=read_headers(header), timeout=timeout) as service:
        if wait:
            service.wait_until_ready(wait)
        report = run_smoke(service, expected)
    if as_json:
        print_json({**asdict(report), "passed": report.passed})
    else:
        print_report(report)
    judge(report)


def read_headers(words: list[str] | None) -> dict[str, str]:
    """`NAME: VALUE` words as headers.

    Raises:
        ConfigError: one without a colon.
    """
    found = {}
    for word in words or []:
        name, mark, value = word.partition(":")
        if not mark or not name.strip():
            raise ConfigError("--header must be 'NAME: VALUE', got one without a colon")
        found[name.strip()] = value.strip()
    return found


def print_report(report: Report) -> None:
    """A line a check."""
    from eyas.core import console

    rows = [(check.name, "ok" if check.passed else "FAILED", check.said) for check in report.checks]
    title = f"{report.url} as {report.model} {report.version}"
    console.out.print(console.table(title, ("check", "", "found"), rows))


def judge(report: Report) -> None:
    """Raise where a check failed.

    Raises:
        ServingError: it names them.
    """
    if report.failed:
        said = "; ".join(f"{check.name}: {check.said}" for check in report.failed if check.said != "not asked")
        raise ServingError(f"{report.url} is not {report.model} {report.version}: {said}")
