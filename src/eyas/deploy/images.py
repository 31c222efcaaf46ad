"""How an image is named, and built where something that builds is installed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from eyas import __version__
from eyas.bundle import Manifest
from eyas.core.errors import EyasError
from eyas.core.moments import iso

BUILDERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "docker": ("info", ()),
    "podman": ("info", ("--format=docker",)),
    "buildah": ("version", ("--format=docker", "--layers")),
}
"""Each with the command that tells whether it works: docker's client may be there without its engine. Then what its
build is told: the other format has no health check, and buildah keeps layers only where it is asked to."""
DOCKERFILE = Path("deploy") / "docker" / "serve.Dockerfile"
ASK_SECONDS = 20


def image_tag(manifest: Manifest | None) -> str:
    """`model:version`, in what a registry allows: a name of small letters, and no + in a version."""
    if manifest is None:
        return f"eyas-serve:{_version(__version__)}"
    return f"{re.sub('[^a-z0-9]+', '-', manifest.name.lower()).strip('-')}:{_version(manifest.version)}"


def find_builder() -> str | None:
    """The first that is installed and works."""
    return next(filter(answers, BUILDERS), None)


def answers(name: str) -> bool:
    """Whether one of `BUILDERS` is installed and works."""
    try:
        done = subprocess.run([name, BUILDERS[name][0]], capture_output=True, timeout=ASK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def build_command(
    builder: str, context: Path, tag: str, manifest: Manifest | None, labels: Mapping[str, str] | None = None
) -> list[str]:
    """The words that build the serving image, with the context's bundle in it where there is one.

    Args:
        labels: more of the image's, by their build arguments: `REVISION`, `SOURCE`.
    """
    version = manifest.version if manifest else __version__
    arguments = {"VERSION": version, "CREATED": iso(), **(labels or {})}
    if manifest:
        arguments["MODEL"] = manifest.name
    return [
        builder,
        "build",
        *BUILDERS[builder][1],
        f"--file={context / DOCKERFILE}",
        f"--target={'with-model' if manifest else 'serve'}",
        f"--tag={tag}",
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        str(context),
    ]


def build(command: list[str], said: TextIO | None = None) -> None:
    """Run it.

    Args:
        command: of `build_command`.
        said: where its standard output goes; where ours does by default.

    Raises:
        EyasError: it failed.
    """
    done = subprocess.run(command, check=False, stdout=said)
    if done.returncode:
        raise EyasError(f"the image must be built, but {command[0]} ended with {done.returncode}; it says why above")


def _version(text: str) -> str:
    return text.replace("+", "-")
