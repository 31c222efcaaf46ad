"""Programs that build, run and deploy containers, and what an image holds."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from eyas.bundle import open_bundle
from eyas.core.errors import BundleError, EyasError
from eyas.deploy.images import ASK_SECONDS, BUILDERS, answers
from eyas.deploy.inspection.finding import Finding

RUN_SECONDS = 120
RUNNERS = ("docker", "podman")
HELD = ("models", "list", "/models", "--verify", "--json")
"""What the image is asked."""


def look_for_builder() -> Finding:
    """A program that builds images."""
    installed = [name for name in BUILDERS if shutil.which(name)]
    if found := [*filter(answers, installed)]:
        return Finding("image", "a builder", True, ", ".join(found))
    if installed:
        said = f"{', '.join(installed)} is installed, but its engine does not answer"
        return Finding("image", "a builder", False, said)
    return Finding("image", "a builder", False, f"install one of {', '.join(BUILDERS)}")


def look_for_compose() -> Finding:
    """Compose, as docker's or podman's."""
    for name in RUNNERS:
        if shutil.which(name) and (said := _ask((name, "compose", "version"))) is not None:
            works = answers(name)
            deaf = "; but its engine does not answer"
            return Finding("compose", "compose", works, f"{said.splitlines()[0]}{'' if works else deaf}")
    return Finding("compose", "compose", False, "install docker with its compose plugin, or podman with podman-compose")


def look_for_kubernetes() -> Iterator[Finding]:
    """kubectl, and a cluster that it goes to."""
    if not shutil.which("kubectl"):
        said = "install kubectl" + (
            " (kustomize alone writes, and applies nothing)" if shutil.which("kustomize") else ""
        )
        yield Finding("k8s", "kubectl", False, said)
        return
    yield Finding("k8s", "kubectl", True, str(shutil.which("kubectl")))
    context = _ask(("kubectl", "config", "current-context"))
    said = f"context {context.strip()}" if context else "no context is set: kubectl config use-context NAME"
    yield Finding("k8s", "a cluster", bool(context), said)


def look_at_image(image: str, bundle: Path | None) -> Finding:
    """Whether an image holds a model: asked without a network. With a bundle: whether it is that one."""
    what = f"image {image}"
    runner = next(filter(answers, RUNNERS), None)
    if runner is None:
        return Finding("yours", what, False, f"none of {', '.join(RUNNERS)} answers, so that it cannot be asked")
    done = _run((runner, "run", "--rm", "--network=none", "--entrypoint=eyas", image, *HELD), RUN_SECONDS)
    if done is None or done.returncode not in (0, BundleError.exit_code):
        return Finding("yours", what, False, f"`{runner} run {image} eyas models list /models` failed: is it eyas's?")
    try:
        rows = json.loads(done.stdout or "[]")  # a folder without a repository is an error of bundles
        live = [(row["model"], row["version"]) for row in rows if row["live"]]
        damaged = [row["damaged"] for row in rows if row["damaged"]]
        wanted = open_bundle(bundle).manifest if bundle else None
    except (ValueError, KeyError, TypeError, EyasError) as error:
        return Finding("yours", what, False, f"cannot be compared: {error}")
    held = ", ".join(f"{model} {version}" for model, version in live)
    if not live:
        return Finding("yours", what, False, "holds no model: `eyas deploy image BUNDLE` puts one in, or mount /models")
    if damaged:
        return Finding("yours", what, False, f"holds {held}, but {'; '.join(damaged)}")
    if wanted and (wanted.name, wanted.version) not in live:
        return Finding("yours", what, False, f"holds {held}, and not {wanted.name} {wanted.version}")
    return Finding("yours", what, True, f"holds {held}")


def _ask(command: Sequence[str]) -> str | None:
    """What it prints; None where it fails or says nothing in time."""
    done = _run(command, ASK_SECONDS)
    return done.stdout if done and done.returncode == 0 else None


def _run(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str] | None:
    """None where it cannot be started, or does not end in time."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
