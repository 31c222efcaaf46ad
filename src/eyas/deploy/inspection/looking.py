"""All that is looked at, by target; and what the user names: a bundle, an image, secrets, volumes, ports, a stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eyas.deploy.inspection import clouds, engines, files
from eyas.deploy.inspection.bundles import look_at_bundle
from eyas.deploy.inspection.finding import TARGETS, Finding
from eyas.deploy.inspection.stacks import look_at_stack


@dataclass(frozen=True)
class Named:
    """What the user named."""

    bundle: Path | None = None
    image: str | None = None
    secrets: tuple[Path, ...] = ()
    volumes: tuple[Path, ...] = ()
    ports: tuple[int, ...] = ()
    """In place of those that the compose file publishes."""
    stack: Path | None = None
    """A folder with a compose file."""


def look(targets: Sequence[str], named: Named) -> Iterator[Finding]:
    """Look at this machine.

    Args:
        targets: of `TARGETS`; all where there is none.
    """
    for target in targets or TARGETS:
        yield from _of_target(target, named)
    for secret in named.secrets:
        yield files.look_at_secret(secret)
    for volume in named.volumes:
        yield files.look_at_volume(volume)
    if named.bundle is not None:
        yield look_at_bundle(named.bundle)
    if named.image is not None:
        yield engines.look_at_image(named.image, named.bundle)


def _of_target(target: str, named: Named) -> Iterator[Finding]:
    if target == "image":
        yield engines.look_for_builder()
    elif target == "compose":
        yield engines.look_for_compose()
        yield from _of_compose(named)
    elif target == "k8s":
        yield from engines.look_for_kubernetes()
    elif target == "cloudrun":
        yield clouds.look_for_google()
    elif target == "ecs":
        yield from clouds.look_for_aws()
    else:
        yield clouds.look_for_azure()


def _of_compose(named: Named) -> Iterator[Finding]:
    found = look_at_stack(named.stack)
    yield from (one for one in found if not (named.ports and one.what.startswith("port ")))
    yield from (files.look_at_port(port) for port in named.ports)
