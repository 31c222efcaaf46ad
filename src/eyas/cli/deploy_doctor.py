"""`eyas deploy doctor`: what is missing here before something can be deployed. `eyas doctor` tells of eyas itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, find_bundle, print_json
from eyas.core.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from eyas.deploy.inspection import Finding

Targets = Annotated[
    list[str] | None,
    typer.Argument(
        help="image, compose, k8s, cloudrun, ecs, azure; all by default.",
        metavar="[TARGET]...",
        show_default=False,
        autocompletion=completion.targets,
    ),
]


def doctor(
    targets: Targets = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="A bundle, or a run folder that holds one: does it fit?",
            metavar="BUNDLE",
            autocompletion=completion.bundles,
        ),
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Does it hold a model, or --bundle's? docker or podman runs it.", metavar="REF")
    ] = None,
    secret: Annotated[
        list[Path] | None, typer.Option(help="A file with a secret; several times.", metavar="FILE")
    ] = None,
    volume: Annotated[
        list[Path] | None, typer.Option(help="A folder that is to be written; several times.", metavar="DIR")
    ] = None,
    port: Annotated[
        list[int] | None,
        typer.Option(help="In place of those that the compose file publishes; several times.", metavar="PORT"),
    ] = None,
    stack: Annotated[
        Path | None,
        typer.Option(
            help="The folder that `eyas deploy compose` wrote; the working directory by default.", metavar="DIR"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is missing for each target, and how to mend it. The exit code is 2 where what you named lacks something.

    Example: eyas deploy doctor; eyas deploy doctor ecs --bundle model --secret secret
    """
    with needs_extra("client"):
        from eyas.deploy.inspection import TARGETS, Named, look

    wanted = targets or []
    if unknown := [name for name in wanted if name not in TARGETS]:
        raise ConfigError(f"TARGET must be one of {', '.join(TARGETS)}, got {', '.join(unknown)}")
    whole = find_bundle(bundle) if bundle else None
    named = Named(whole, image, tuple(secret or ()), tuple(volume or ()), tuple(port or ()), stack)
    judged = [*wanted, "compose"] if stack else wanted
    findings = list(look(judged if wanted else TARGETS, named))
    if as_json:
        print_json([asdict(one) for one in findings])
    else:
        _print(findings)
    _judge(findings, judged)


def _judge(findings: list[Finding], wanted: list[str]) -> None:
    """Raise where something that was named lacks something."""
    bad = [one for one in findings if not one.ok and (one.target == "yours" or one.target in wanted)]
    if bad:
        raise ConfigError("; ".join(f"{one.what}: {one.said}" for one in bad))


def _print(findings: list[Finding]) -> None:
    from eyas.core import console

    rows = [(one.target, one.what, "ok" if one.ok else "MISSING", one.said) for one in findings]
    console.out.print(console.table("", ("for", "what", "", "found"), rows))
