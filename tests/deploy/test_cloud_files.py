"""The clouds' files: their shape, and the very words that they start a server with, which a real server takes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml

from eyas.bundle import Bundle, Repository
from eyas.core.errors import ConfigError
from eyas.deploy.files import template_folder
from eyas.deploy.release import Image, fitting_name, open_release, parse_image
from eyas.deploy.rendering import render_azure, render_cloudrun, render_ecs
from support.bundles import make_bundle
from support.crds import CLOUD_RUN, CONTAINER_APP
from support.live import eyas
from support.server import free_port
from support.tokens import SECRET, bearing, token
from support.waiting import wait_until

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ENVIRONMENT = "/subscriptions/1/resourceGroups/ml/providers/Microsoft.App/managedEnvironments/ml"
IDENTITY = "/subscriptions/1/resourceGroups/ml/providers/Microsoft.ManagedIdentity/userAssignedIdentities/eyas"
# As in the image: it is read from the working folder, and names a secret's file that a cloud does not have.
IMAGE_CONFIG = "serve: {host: 0.0.0.0, auth: {secret_file: /run/secrets/auth_secret}, monitor: {folder: /var/lib/eyas}}"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "bundle", version="2")


@pytest.fixture(scope="module")
def files(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Each cloud's, read again."""
    folder = tmp_path_factory.mktemp("files")
    release = open_release(bundle.path, f"{REGISTRY}/team/digits:2")
    render_cloudrun(release, folder / "cloudrun")
    render_ecs(release, folder / "ecs")
    azure = {"location": "westeurope", "environment": ENVIRONMENT, "vault": "ml", "identity": IDENTITY}
    render_azure(release, folder / "azure", **azure)
    return {
        "cloudrun": yaml.safe_load((folder / "cloudrun" / "service.yaml").read_text()),
        "ecs": json.loads((folder / "ecs" / "task-definition.json").read_text()),
        "azure": yaml.safe_load((folder / "azure" / "containerapp.yaml").read_text()),
        "parameters": json.loads((folder / "ecs" / "service-parameters.json").read_text()),
    }


def container(files: dict[str, Any], cloud: str) -> Any:
    found = files[cloud]
    if cloud == "ecs":
        return found["containerDefinitions"][0]
    template = found["spec"]["template"]["spec"] if cloud == "cloudrun" else found["properties"]["template"]
    return template["containers"][0]


def words(files: dict[str, Any], cloud: str) -> list[str]:
    found = container(files, cloud)
    first, rest = ("entryPoint", "command") if cloud == "ecs" else ("command", "args")
    return [*found[first], *found[rest]]


def test_they_have_the_shape_that_the_clouds_take(files: dict[str, Any]) -> None:
    jsonschema.validate(files["cloudrun"], CLOUD_RUN)
    jsonschema.validate(files["azure"], CONTAINER_APP)
    assert files["azure"]["properties"]["configuration"]["registries"][0]["server"] == REGISTRY
    assert files["azure"]["identity"]["userAssignedIdentities"] == {IDENTITY: {}}
    used = [files["azure"]["properties"]["configuration"][name][0] for name in ("registries", "secrets")]
    assert [one["identity"] for one in used] == [IDENTITY, IDENTITY]  # which exists before the app does
    task = files["ecs"]
    assert task["executionRoleArn"] == "arn:aws:iam::123456789012:role/ecsTaskExecutionRole"
    assert container(files, "ecs")["logConfiguration"]["options"]["awslogs-region"] == "eu-west-1"
    assert files["parameters"]["loadBalancers"][0]["containerName"] == container(files, "ecs")["name"]
    assert container(files, "ecs")["readonlyRootFilesystem"] is True


def test_the_containers_of_cloud_run_are_kubernetes_s(files: dict[str, Any]) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not there: make deploy-check")
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "inner"}}
    made |= {"spec": {"containers": files["cloudrun"]["spec"]["template"]["spec"]["containers"]}}
    validate.validate(made, validate.latest_version(), strict=True)


@pytest.mark.parametrize("cloud", ["cloudrun", "ecs", "azure"])
def test_a_server_starts_by_their_words(cloud: str, files: dict[str, Any], bundle: Bundle, tmp_path: Path) -> None:
    Repository(tmp_path / "models").publish(bundle.path, live=True)
    (tmp_path / "eyas.yaml").write_text(IMAGE_CONFIG)
    port = free_port()
    said = {"eyas": f"{sys.executable} -P -m eyas", "/models": "models", "--port=5000": f"--port={port}"}
    command = " ".join(said.get(word, word) for word in words(files, cloud)).split()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"EYAS_AUTH_SECRET": SECRET}, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: process.poll() is not None or answers(url), 60)
        assert process.poll() is None, process.communicate()[1]
        assert httpx.get(f"{url}/health").json()["version"] == "2"
        image = {"data": bundle.golden().images[0].tolist(), "range": 255}
        assert httpx.post(f"{url}/predict", json=image).status_code == 401
        assert httpx.post(f"{url}/predict", json=image, headers=bearing(token())).status_code == 200
    finally:
        process.terminate()
        process.communicate(timeout=30)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_no_file_names_what_is_not_filled_in() -> None:
    known = {
        "NAME",
        "IMAGE",
        "MODEL",
        "VERSION",
        "LABEL",
        "ACCOUNT",
        "REGION",
        "LOCATION",
        "ENVIRONMENT",
        "VAULT",
        "IDENTITY",
        "REGISTRY",
    }
    from string import Template

    found = {
        name
        for cloud in ("cloudrun", "ecs", "azure")
        for file in (template_folder() / cloud).iterdir()
        for name in Template(file.read_text()).get_identifiers()
    }
    assert found == known


@pytest.mark.parametrize("version", ["2026.03.04", "1", "20260304", "1e3", "on"])
def test_a_version_stays_text(version: str, tmp_path: Path) -> None:
    """YAML would read some as a date, a number or a truth."""
    release = open_release(make_bundle(tmp_path / "bundle", version=version).path, "ghcr.io/x/y:1")
    render_cloudrun(release, tmp_path / "files")
    made = yaml.safe_load((tmp_path / "files" / "service.yaml").read_text())
    jsonschema.validate(made, CLOUD_RUN)
    assert made["spec"]["template"]["metadata"]["labels"] == {"eyas-version": version.replace(".", "-")}


@pytest.mark.parametrize("file", ["cloudrun/service.yaml", "azure/containerapp.yaml"])
def test_every_placeholder_of_a_yaml_file_is_quoted(file: str) -> None:
    text = (template_folder() / file).read_text()
    inside = re.findall(r'"[^"\n]*"', text)
    assert sum(quoted.count("${") for quoted in inside) == text.count("${")


def test_the_commands(bundle: Bundle, tmp_path: Path) -> None:
    base = ("--bundle", bundle.path, "--out", tmp_path / "out")
    said = eyas("deploy", "ecs", *base, "--image", f"{REGISTRY}/digits:2")
    assert "wrote" in said
    assert "next: eyas deploy roll-out ecs" in said
    said = eyas("deploy", "ecs", "--bundle", bundle.path, "--out", tmp_path / "a", "--image", "ghcr.io/x/y:1", code=2)
    assert "name --account and --region of AWS" in said
    said = eyas("deploy", "cloudrun", *base, "--image", "ghcr.io/x/y:1", code=2)
    assert "exists already" in said
    eyas(
        "deploy",
        "cloudrun",
        "--bundle",
        bundle.path,
        "--out",
        tmp_path / "c",
        "--image",
        "ghcr.io/x/y:1",
        "--name",
        "b",
    )
    assert yaml.safe_load((tmp_path / "c" / "service.yaml").read_text())["metadata"]["name"] == "b"


def test_names_and_values_that_would_break_out_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    release = open_release(bundle.path, "ghcr.io/x/y:1")
    with pytest.raises(ConfigError, match="--name must be"):
        render_cloudrun(release, tmp_path / "a", "My Service")
    with pytest.raises(ConfigError, match="region must have none of"):
        render_ecs(release, tmp_path / "b", account="1", region='x", "y": "z')
    with pytest.raises(ConfigError, match="--environment must be a resource id"):
        render_azure(release, tmp_path / "c", location="x", environment="ml", vault="ml", identity=IDENTITY)
    with pytest.raises(ConfigError, match="--identity must be a resource id"):
        render_azure(release, tmp_path / "c", location="x", environment=ENVIRONMENT, vault="ml", identity="eyas")
    assert not any((tmp_path / name).exists() for name in "abc")


@pytest.mark.parametrize(
    ("text", "image", "registry"),
    [
        ("digits:1", Image("digits", "1"), "docker.io"),
        ("localhost:5000/team/digits:1.0", Image("localhost:5000/team/digits", "1.0"), "localhost:5000"),
        (f"{REGISTRY}/d@sha256:{'a' * 64}", Image(f"{REGISTRY}/d", "", f"sha256:{'a' * 64}"), REGISTRY),
        (f"ghcr.io/x/y:latest@sha256:{'b' * 64}", Image("ghcr.io/x/y", "latest", f"sha256:{'b' * 64}"), "ghcr.io"),
    ],
)
def test_images(text: str, image: Image, registry: str) -> None:
    assert parse_image(text) == image
    assert str(image) == text
    assert image.registry == registry


@pytest.mark.parametrize(
    ("text", "name"),
    [("digits", "digits"), ("My Model 2", "my-model-2"), ("1a", "eyas-1a"), ("a" * 60, "a" * 40), ("é__é", "eyas")],
)
def test_names(text: str, name: str) -> None:
    assert fitting_name(text) == name
