"""`eyas deploy roll-out ecs|cloudrun|azure`: deploy beside what is live, test, shift the traffic, or go back."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.cli.smoke import BundleOption, Headers, LatencyMs, Requests, judge, print_report, read_headers
from eyas.cli.words import AsJson, Token, find_bundle, tell
from eyas.core.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from eyas.deploy.shifting import Platform

Files = Annotated[Path, typer.Argument(help="The folder that `eyas deploy ecs|cloudrun|azure` wrote.", metavar="DIR")]
Hold = Annotated[float, typer.Option("--hold", help="Seconds of each stage, with a test at its end.", min=0.0)]
Wait = Annotated[
    float, typer.Option("--wait", help="Seconds until a service must be ready: its address may be new.", min=0.0)
]
Patience = Annotated[float, typer.Option("--timeout", help="Seconds for each step of the cloud.", min=0.1)]
Poll = Annotated[float, typer.Option("--poll", help="Seconds between two looks at what the cloud does.", min=0.01)]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", help="Of the cloud's API, where it is another one.", metavar="URL")
]
Region = Annotated[str | None, typer.Option("--region", help="AWS_REGION by default.", metavar="REGION")]
app = typer.Typer(
    help="Deploy a new revision beside the one that is live, smoke-test it, shift the traffic to it, or go back.\n\n"
    "Example: eyas deploy roll-out azure azure --bundle model --subscription ID --resource-group ml",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def ecs(
    files: Files,
    bundle: BundleOption,
    cluster: Annotated[str, typer.Option(help="Of ECS.", metavar="NAME")],
    service: Annotated[str, typer.Option(help="Of the cluster; it must exist.", metavar="NAME")],
    url: Annotated[str, typer.Option(help="Where the service is reached.", metavar="URL")],
    region: Region = None,
    latency_ms: LatencyMs = None,
    requests: Requests = 50,
    token: Token = "",
    header: Headers = None,
    wait: Wait = 60.0,
    hold: Hold = 0.0,
    timeout: Patience = 900.0,
    poll: Poll = 5.0,
    as_json: AsJson = False,
) -> None:
    """Register the task definition, change the service to it, test it; or put the old one back. It needs eyas[aws].

    Example: eyas deploy roll-out ecs ecs --bundle model --cluster prod --service digits --url https://digits.example.com
    """
    import json

    with needs_extra("client"):
        from eyas.deploy.rendering.clouds import TASK_DEFINITION
        from eyas.deploy.shifting.ecs import EcsService, connect

    wanted = _read(files / TASK_DEFINITION, json.loads)
    platform = EcsService(connect(region), cluster, service, wanted, url, poll_seconds=poll, patience=timeout)
    _run(platform, _smoke(bundle, latency_ms, requests, token, header, wait, as_json), hold, as_json)


@app.command()
def cloudrun(
    files: Files,
    bundle: BundleOption,
    project: Annotated[str, typer.Option(help="Of Google Cloud.", metavar="ID")],
    region: Annotated[str, typer.Option(help="Such as europe-west1.", metavar="REGION")],
    endpoint: Endpoint = None,
    latency_ms: LatencyMs = None,
    requests: Requests = 50,
    token: Token = "",
    header: Headers = None,
    wait: Wait = 60.0,
    hold: Hold = 0.0,
    timeout: Patience = 600.0,
    poll: Poll = 2.0,
    as_json: AsJson = False,
) -> None:
    """Deploy with 0 %, test at the tag's address, give it 10, 50 and 100 %; or give all back to what was live.

    The API's token is CLOUDSDK_AUTH_ACCESS_TOKEN's, CLOUDSDK_AUTH_ACCESS_TOKEN_FILE's or gcloud's.

    Example: eyas deploy roll-out cloudrun cloudrun --bundle model --project shop --region europe-west1 --hold 300
    """
    from eyas.core import plain_yaml

    with needs_extra("client"):
        from eyas.deploy.rendering.clouds import CLOUDRUN_SERVICE
        from eyas.deploy.shifting.api import Api
        from eyas.deploy.shifting.cloudrun import API, CloudRun, suffix_room
        from eyas.deploy.shifting.tokens import GOOGLE, find_token

    wanted = _read(files / CLOUDRUN_SERVICE, plain_yaml.read)
    smoke = _smoke(bundle, latency_ms, requests, token, header, wait, as_json)
    api = Api(endpoint or API.format(region=region), partial(find_token, GOOGLE), poll_seconds=poll, patience=timeout)
    _run(CloudRun(api, project, wanted, _suffix(bundle, suffix_room(wanted))), smoke, hold, as_json)


@app.command()
def azure(
    files: Files,
    bundle: BundleOption,
    subscription: Annotated[str, typer.Option(help="Its id.", metavar="ID")],
    resource_group: Annotated[str, typer.Option(help="That the app belongs to.", metavar="NAME")],
    endpoint: Endpoint = None,
    latency_ms: LatencyMs = None,
    requests: Requests = 50,
    token: Token = "",
    header: Headers = None,
    wait: Wait = 60.0,
    hold: Hold = 0.0,
    timeout: Patience = 600.0,
    poll: Poll = 2.0,
    as_json: AsJson = False,
) -> None:
    """Deploy with 0 %, test at the revision's address, give it 10, 50 and 100 %; or give all back to what was live.

    The API's token is AZURE_ACCESS_TOKEN's, AZURE_ACCESS_TOKEN_FILE's or az's.

    Example: eyas deploy roll-out azure azure --bundle model --subscription ID --resource-group ml
    """
    from eyas.core import plain_yaml

    with needs_extra("client"):
        from eyas.deploy.rendering.clouds import CONTAINER_APP
        from eyas.deploy.shifting.api import Api
        from eyas.deploy.shifting.azure import API, ContainerApp, suffix_room
        from eyas.deploy.shifting.tokens import AZURE, find_token

    wanted = _read(files / CONTAINER_APP, plain_yaml.read)
    smoke = _smoke(bundle, latency_ms, requests, token, header, wait, as_json)
    api = Api(endpoint or API, partial(find_token, AZURE), poll_seconds=poll, patience=timeout)
    _run(
        ContainerApp(api, subscription, resource_group, wanted, _suffix(bundle, suffix_room(wanted))),
        smoke,
        hold,
        as_json,
    )


def _run(platform: Platform, smoke: Callable[[str], None], hold: float, as_json: bool) -> None:
    """With `as_json`, the steps go to standard error."""
    from eyas.deploy.shifting import roll_out

    revision = roll_out(platform, smoke, partial(typer.echo, err=as_json), hold_seconds=hold)
    tell(as_json, {"live": revision.name}, f"{revision.name} is live")


def _smoke(
    bundle: Path,
    latency_ms: float | None,
    requests: int,
    token: str,
    header: list[str] | None,
    wait: float,
    as_json: bool,
) -> Callable[[str], None]:
    """The smoke test of a URL, which waits until something answers there."""
    from eyas.bundle import open_bundle
    from eyas.deploy.smoke import Expected, Service
    from eyas.deploy.smoke import smoke as run_smoke

    expected = Expected(open_bundle(find_bundle(bundle)), latency_ms, requests)
    headers = read_headers(header)

    def test(url: str) -> None:
        with Service(url, token=token, headers=headers) as service:
            service.wait_until_ready(wait)
            report = run_smoke(service, expected)
        if not as_json:
            print_report(report)
        judge(report)

    return test


def _suffix(bundle: Path, room: int) -> str:
    """Of the revision's name: the version, and the time, since a revision's name is never used again.

    Args:
        room: characters that it may have; the version is cut to what the time leaves.

    Raises:
        ConfigError: it leaves nothing.
    """
    from eyas.bundle import open_bundle
    from eyas.deploy.release import fitting_name

    version = open_bundle(find_bundle(bundle)).manifest.version
    now = time.time()  # to the hundredth of a second: another may have begun within this one
    moment = f"{time.strftime('%m%d%H%M%S', time.gmtime(now))}{int(100 * now) % 100:02}"
    left = min(11, room - len(f"-{moment}"))
    if left < 1:
        raise ConfigError("the service's name is too long for the names of its revisions: choose a shorter --name")
    return f"{fitting_name(version, left)}-{moment}"


def _read(file: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        value = parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {file}: {error}; `eyas deploy` writes it") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{file} must be an object, got {type(value).__name__}")
    return value
