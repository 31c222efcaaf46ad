"""`eyas deploy image` and `eyas deploy compose`: what containers are made of."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, find_bundle, tell
from eyas.core.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from eyas.bundle import Bundle


def image(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            help="A bundle, or a run folder that holds one; without it, models come by a volume.",
            metavar="[BUNDLE]",
            autocompletion=completion.bundles,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder to write; MODEL-image by default.", metavar="DIR")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Of the image; MODEL:VERSION by default.", metavar="NAME")] = None,
    revision: Annotated[str, typer.Option(help="The commit that it is built from, for its label.", metavar="SHA")] = "",
    source: Annotated[str, typer.Option(help="Where that lies, for its label.", metavar="URL")] = "",
    build: Annotated[bool, typer.Option("--build", help="Build it, with docker, podman or buildah.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write what a serving image is built from, with a bundle in it once it has given its golden answers here.

    Example: eyas deploy image runs/digits-mlp-1 --build; eyas deploy image
    """
    with needs_extra("serve"):
        from eyas.core import io
        from eyas.deploy.context import write_context
        from eyas.deploy.images import build as run_build
        from eyas.deploy.images import build_command, find_builder, image_tag

    found = _fit(bundle)
    manifest = found.manifest if found else None
    folder = out or Path(f"{image_tag(manifest).partition(':')[0]}-image")
    with io.new_folder(folder, ConfigError) as draft:
        write_context(draft, found)
    wrote = f"wrote {folder}" + (f", which holds {manifest.name} {manifest.version}" if manifest else "")
    name = tag or image_tag(manifest)
    builder = find_builder() if build else None
    labels = {key: value for key, value in (("REVISION", revision), ("SOURCE", source)) if value}
    command = build_command(builder or "docker", folder, name, manifest, labels)
    said = {"wrote": str(folder), "image": name, "built": build, "command": shlex.join(command)}
    if not build:
        tell(as_json, said, wrote, f"next: {shlex.join(command)}")
        return
    typer.echo(wrote, err=as_json)
    if builder is None:
        raise ConfigError(
            "--build needs docker with its engine, podman or buildah, and none answers here; where one does: "
            f"{shlex.join(command)}"
        )
    run_build(command, sys.stderr if as_json else None)
    tell(as_json, said, f"built {name}")


def compose(
    out: Annotated[Path, typer.Option(help="The folder to write.", metavar="DIR")],
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="A bundle, or a run folder that holds one, for the service to begin with.",
            metavar="BUNDLE",
            autocompletion=completion.bundles,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a compose file for training, tuning, serving and watching, with the secrets that it needs.

    Example: eyas deploy compose --bundle runs/digits-mlp-1 --out stack
    """
    with needs_extra("serve"):
        from eyas.core import io
        from eyas.deploy.stack import COMPOSE, write_stack

    found = _fit(bundle)
    with io.new_folder(out, ConfigError) as draft:
        write_stack(draft, found)
    wrote = f"wrote {out}" + (f", which holds {found.manifest.name} {found.manifest.version}" if found else "")
    first = "" if found else "docker compose up training && "
    then = f"cd {shlex.quote(str(out / COMPOSE))} && {first}docker compose up --detach api"
    tell(as_json, {"wrote": str(out), "next": then}, wrote, f"next: {then}")


def _fit(path: Path | None) -> Bundle | None:
    if path is None:
        return None
    from eyas.deploy.fitting import require_fit

    return require_fit(find_bundle(path))
