"""A kustomization for one release over the tree of `deploy/kubernetes`, which goes along as a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from eyas.core import io
from eyas.core.errors import ConfigError
from eyas.deploy.files import template_folder
from eyas.deploy.release import Image, Release

OVERLAYS = ("gateway", "kserve", "ray")
COMPONENTS = ("monitoring", "models-volume", "postgres")
TREE = "kubernetes"
RULES = Path("prometheus") / "eyas.rules.yml"
VERSION, MODEL, DIGEST = "app.kubernetes.io/version", "eyas-model", "eyas-bundle"


@dataclass(frozen=True)
class KubernetesChoice:
    """What of the tree is wanted."""

    overlay: str | None = None
    """One of `OVERLAYS`; None: the base."""
    components: tuple[str, ...] = ()
    """Of `COMPONENTS`."""
    namespace: str | None = None
    stable: Image | None = None
    """`gateway`: the image that is live; the release is the canary."""
    weight: int = 0
    """`gateway`: percent of the requests for the canary."""
    storage: str | None = None
    """`kserve`: where the bundle lies; None: in the repository on the volume `eyas-models`."""

    def __post_init__(self) -> None:
        if self.overlay not in (None, *OVERLAYS):
            raise ConfigError(f"--overlay must be one of {', '.join(OVERLAYS)}, got {self.overlay}")
        if unknown := [name for name in self.components if name not in COMPONENTS]:
            raise ConfigError(f"--with must be one of {', '.join(COMPONENTS)}, got {', '.join(unknown)}")
        if self.overlay in ("kserve", "ray") and self.components:
            raise ConfigError(f"the overlay {self.overlay} has none of the base's parts: leave --with out")
        if (self.overlay == "gateway") != (self.stable is not None):
            raise ConfigError("--stable names the live image of --overlay gateway, and that one needs it")
        if self.overlay == "gateway" and "models-volume" in self.components:
            raise ConfigError("on one volume both versions would be the same: --overlay gateway is for two images")
        if not 0 <= self.weight <= 100 or (self.weight and self.overlay != "gateway"):
            raise ConfigError(f"--weight must be 0 to 100, with --overlay gateway, got {self.weight}")


def render_kubernetes(release: Release, target: Path, choice: KubernetesChoice) -> list[Path]:
    """Write a folder for `kubectl apply -k`.

    Args:
        target: a folder that does not exist yet.

    Returns:
        `kustomization.yaml` in it.

    Raises:
        ConfigError: the target exists.
    """
    source = template_folder()
    with io.new_folder(target, ConfigError) as partial:
        shutil.copytree(source / TREE, partial / TREE)
        if "monitoring" in choice.components and (source / RULES).is_file():
            _add_rules(partial / TREE / "components" / "monitoring", source / RULES)
        text = yaml.safe_dump(_kustomization(release, choice), sort_keys=False, width=120)
        io.write_text(partial / "kustomization.yaml", text)
    return [target / "kustomization.yaml"]


def _kustomization(release: Release, choice: KubernetesChoice) -> dict[str, Any]:
    within = f"{TREE}/overlays/{choice.overlay}" if choice.overlay else f"{TREE}/base"
    made: dict[str, Any] = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    if choice.namespace:
        made["namespace"] = choice.namespace
    made["resources"] = [within]
    if choice.components:
        made["components"] = [f"{TREE}/components/{name}" for name in choice.components]
    made["images"] = list(_images(release, choice))
    if patches := list(_patches(release, choice)):
        made["patches"] = patches
    return made


def _images(release: Release, choice: KubernetesChoice) -> Iterator[dict[str, str]]:
    if choice.stable:
        yield _image("eyas-serve", choice.stable)
        yield _image("eyas-serve-canary", release.image)
    elif choice.overlay != "ray":
        yield _image("eyas-serve", release.image)
    # Ray's image is the one for training. Its custom kinds are beyond the images of kustomize: a patch sets it.


def _image(name: str, image: Image) -> dict[str, str]:
    made = {"name": name, "newName": image.repository}
    return made | ({"digest": image.digest} if image.digest else {"newTag": image.tag})


def _patches(release: Release, choice: KubernetesChoice) -> Iterator[dict[str, Any]]:
    if choice.overlay == "ray":
        yield _patch({"kind": "RayCluster"}, [*_ray_images(release.image)])
        return
    if choice.overlay == "kserve":
        where = choice.storage or f"pvc://eyas-models/{release.model}/{release.version}"
        yield _patch(
            {"kind": "InferenceService"},
            [_set("/metadata/name", release.name), _set("/spec/predictor/model/storageUri", where)],
        )
        return
    track = "app.kubernetes.io/name=eyas" + (",eyas-track=canary" if choice.overlay else "")
    yield _patch({"kind": "Deployment", "labelSelector": track}, [*_labels(release)])
    if choice.overlay == "gateway":
        weights = [("0", 100 - choice.weight), ("1", choice.weight)]
        steps = [_set(f"/spec/rules/1/backendRefs/{place}/weight", weight) for place, weight in weights]
        yield _patch({"kind": "HTTPRoute"}, steps)


def _labels(release: Release) -> Iterator[dict[str, Any]]:
    """The version where `kubectl get pods -L` and Prometheus see it, and what cannot be a label as an annotation."""
    for place in ("/metadata", "/spec/template/metadata"):
        yield _set(f"{place}/labels/{VERSION.replace('/', '~1')}", release.label, "add")
    notes = {MODEL: f"{release.model} {release.version}", DIGEST: release.digest}
    yield _set("/spec/template/metadata/annotations", notes, "add")


def _ray_images(image: Image) -> Iterator[dict[str, Any]]:
    pod = "template/spec/containers/0/image"
    yield _set(f"/spec/headGroupSpec/{pod}", str(image))
    for group in (0, 1):
        yield _set(f"/spec/workerGroupSpecs/{group}/{pod}", str(image))


def _set(path: str, value: object, how: str = "replace") -> dict[str, Any]:
    return {"op": how, "path": path, "value": value}


def _patch(target: dict[str, str], steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {"target": target, "patch": yaml.safe_dump(steps, sort_keys=False, width=1000)}


def _add_rules(component: Path, rules: Path) -> None:
    """The alerts of Prometheus's own file, as the operator's kind."""
    made = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "eyas", "labels": {"app.kubernetes.io/name": "eyas"}},
        "spec": {"groups": yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]},
    }
    io.write_text(component / "prometheus-rule.yaml", yaml.safe_dump(made, sort_keys=False, width=120))
    kustomization = component / "kustomization.yaml"
    listed = kustomization.read_text(encoding="utf-8")
    io.write_text(
        kustomization, listed.replace("[service-monitor.yaml]", "[service-monitor.yaml, prometheus-rule.yaml]")
    )
