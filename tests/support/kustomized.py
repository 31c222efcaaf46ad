"""What `eyas deploy k8s` writes, built by the real kustomize."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from eyas.bundle import Bundle
from eyas.deploy.release import open_release, parse_image
from eyas.deploy.rendering import COMPONENTS, KubernetesChoice, render_kubernetes

IMAGE, STABLE = "registry.example.com/team/digits:2", "registry.example.com/team/digits:1"
Objects = dict[tuple[str, str], Any]
"""By kind and name."""
CHOICES = {
    "base": KubernetesChoice(),
    "all parts": KubernetesChoice(components=COMPONENTS, namespace="shop"),
    "gateway": KubernetesChoice("gateway", ("monitoring", "postgres"), stable=parse_image(STABLE), weight=10),
    "kserve": KubernetesChoice("kserve", storage="s3://models/digits/2"),
    "ray": KubernetesChoice("ray", namespace="shop"),
}
needs_kubectl = pytest.mark.skipif(
    not shutil.which("kubectl"), reason="kubectl is not installed: https://dl.k8s.io, or Debian's kubernetes-client"
)


def build_choices(bundle: Bundle, folder: Path) -> dict[str, Objects]:
    """Each of `CHOICES`, for a release of the bundle."""
    release = open_release(bundle.path, IMAGE)
    made = {}
    for name, choice in CHOICES.items():
        target = folder / name.replace(" ", "-")
        render_kubernetes(release, target, choice)
        made[name] = build(target)
    return made


def build(folder: Path) -> Objects:
    """The objects of a kustomization.

    Raises:
        AssertionError: kustomize refuses it, or two are of one kind and name.
    """
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    objects = [*yaml.safe_load_all(done.stdout)]
    found = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    assert len(found) == len(objects)
    return found
