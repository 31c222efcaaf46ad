"""`eyas deploy doctor`: what is missing is said, with what mends it."""

import json
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from eyas.bundle import Bundle, Repository
from eyas.deploy.inspection import TARGETS
from support import defects
from support.bundles import make_bundle
from support.live import eyas

# A container engine that runs an image's command on this machine, over a folder that stands for what lies in the image.
ENGINE = """#!/bin/sh
case "$1" in
  info) exit 0 ;;
  run) while [ "$1" != models ]; do shift; done
       shift 3
       exec {python} -P -m eyas models list {models} "$@" ;;
esac
exit 1
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "bundle", version="2")


def doctor(*words: object, code: int = 0, **env: str) -> dict[tuple[str, str], Any]:
    said = eyas("deploy", "doctor", *words, "--json", code=code, env=env)
    return {(one["target"], one["what"]): one for one in json.JSONDecoder().raw_decode(said)[0]}


def test_every_target_is_looked_at() -> None:
    found = doctor()
    assert {target for target, _ in found} == {*TARGETS}
    assert all(one["said"] for one in found.values())
    assert "MISSING" in eyas("deploy", "doctor", "azure", env={"PATH": "/nowhere", "AZURE_ACCESS_TOKEN": ""}, code=2)


def test_nothing_is_installed() -> None:
    found = doctor(PATH=str(Path(sys.executable).parent), CLOUDSDK_AUTH_ACCESS_TOKEN="", AZURE_ACCESS_TOKEN="")
    assert found["image", "a builder"]["said"] == "install one of docker, podman, buildah"
    assert found["k8s", "kubectl"]["said"] == "install kubectl"
    assert "set CLOUDSDK_AUTH_ACCESS_TOKEN" in found["cloudrun", "a token"]["said"]
    assert "set AZURE_ACCESS_TOKEN" in found["azure", "a token"]["said"]


def test_a_token_is_named_by_where_it_is_and_not_told() -> None:
    said = eyas("deploy", "doctor", "cloudrun", env={"CLOUDSDK_AUTH_ACCESS_TOKEN": "very-secret"})
    assert "CLOUDSDK_AUTH_ACCESS_TOKEN" in said
    assert "very-secret" not in said


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = doctor("--port", port)["compose", f"port {port}"]
    assert not found["ok"]
    assert "taken" in found["said"]


def test_a_stack_needs_its_ports_secrets_and_files(tmp_path: Path) -> None:
    eyas("deploy", "compose", "--out", tmp_path / "stack")
    compose = tmp_path / "stack" / "deploy" / "compose"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (compose / ".env").write_text(f"# ports\nGRAFANA_PORT='{port}'\nAPI_PORT=1  # ours\n")
        whole = doctor("compose", "--stack", tmp_path / "stack", code=2, JUPYTER_PORT="2")
    assert not whole["compose", f"port {port} of grafana"]["ok"]
    ports = {what for _, what in whole if what.startswith("port ")} - {f"port {port} of grafana"}
    others = {"mlflow": 5001, "prometheus": 9090, "alertmanager": 9093, "api": 1, "jupyter": 2}
    assert ports == {f"port {number} of {name}" for name, number in others.items()}
    kept = {what: one for (_, what), one in whole.items() if what.startswith(("secret", "mount", ".env"))}
    assert len(kept) > 8
    assert all(one["ok"] for one in kept.values()), kept
    (tmp_path / "stack" / "secrets" / "grafana_password").unlink()
    (tmp_path / "stack" / "secrets" / "pg_service").write_text("\n")
    (compose / "prometheus.yml").unlink()
    text = (compose / "compose.yaml").read_text()
    (compose / "compose.yaml").write_text(text.replace("${API_CPUS:-1}", "${API_CPUS}"))
    found = doctor("--stack", compose, code=2)
    lacking = {what for (target, what), one in found.items() if target == "compose" and not one["ok"]}
    assert {"secret grafana_password", "secret pg_service", "mount ./prometheus.yml", ".env"} <= lacking
    assert "must set API_CPUS" in found["compose", ".env"]["said"]
    assert "holds neither compose.yaml nor deploy/compose/compose.yaml" in eyas(
        "deploy", "doctor", "--stack", tmp_path, code=2
    )


@pytest.mark.parametrize(
    ("port", "said"), [("70000", "a port must be in [1, 65535], got 70000"), ("http", "invalid literal"), ("", "")]
)
def test_a_stack_whose_ports_are_none_is_told_of(tmp_path: Path, port: str, said: str) -> None:
    services = f"  api: {{ports: ['{port}:5000']}}\n" if port else "  api:\n"  # the last is a service of nothing
    (tmp_path / "compose.yaml").write_text(f"services:\n{services}")
    found = doctor("--stack", tmp_path, code=2)["compose", str(tmp_path / "compose.yaml")]
    assert not found["ok"]
    assert said in found["said"]


def test_secrets(tmp_path: Path) -> None:
    good, absent, short, shown = (tmp_path / name for name in ("good", "absent", "short", "shown"))
    eyas("token", "--new-secret", good)
    short.write_text("short")
    short.chmod(0o600)
    shutil.copy(good, shown)
    shown.chmod(0o644)
    tmp_path.chmod(0o755)
    options = [word for file in (good, absent, short, shown, tmp_path) for word in ("--secret", file)]
    found = doctor("k8s", *options, code=2)
    assert found["yours", f"secret {good}"]["ok"]
    assert f"`eyas token --new-secret {absent}` makes one" in found["yours", f"secret {absent}"]["said"]
    assert "at least 32 bytes, has 5" in found["yours", f"secret {short}"]["said"]
    assert "chmod 600" in found["yours", f"secret {shown}"]["said"]
    assert "must be a file" in found["yours", f"secret {tmp_path}"]["said"]
    assert good.read_text().strip() not in json.dumps([*found.values()])


def test_a_volume_that_cannot_be_written(tmp_path: Path) -> None:
    found = doctor("--volume", tmp_path, "--volume", "/proc", "--volume", tmp_path / "none", code=2)
    assert found["yours", f"volume {tmp_path}"]["ok"]
    assert not found["yours", "volume /proc"]["ok"]
    assert "No such file" in found["yours", f"volume {tmp_path / 'none'}"]["said"]


def test_a_bundle_that_does_not_fit(bundle: Bundle, tmp_path: Path) -> None:
    assert "gives its golden answers" in doctor("--bundle", bundle.path)["yours", f"bundle {bundle.path}"]["said"]
    wrong = shutil.copytree(bundle.path, tmp_path / "wrong")
    defects.wrong_golden(wrong)
    found = doctor("--bundle", wrong, code=2)["yours", f"bundle {wrong}"]
    assert not found["ok"]
    assert "golden" in found["said"]
    found = doctor("--bundle", tmp_path, code=2)["yours", f"bundle {tmp_path}"]
    assert "is not a bundle" in found["said"]


def test_an_image_without_the_model(bundle: Bundle, tmp_path: Path) -> None:
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(ENGINE.format(python=sys.executable, models=tmp_path / "models"))
    engine.chmod(0o755)
    env = {"PATH": f"{engine.parent}{os.pathsep}{os.environ['PATH']}"}
    (tmp_path / "models").mkdir()
    words = ("--image", "digits:2", "--bundle", bundle.path)
    found = doctor(*words, code=2, **env)["yours", "image digits:2"]
    assert "holds no model: `eyas deploy image BUNDLE` puts one in" in found["said"]
    repository = Repository(tmp_path / "models")
    repository.publish(make_bundle(tmp_path / "one", version="1").path, live=True)
    repository.publish(make_bundle(tmp_path / "two", version="2").path, model="cats", live=True)
    said = doctor(*words, code=2, **env)["yours", "image digits:2"]["said"]
    assert said == "holds cats 2, digits 1, and not digits 2"
    repository.publish(bundle.path, live=True)
    assert doctor(*words, **env)["yours", "image digits:2"]["said"] == "holds cats 2, digits 2"


def test_a_target_that_is_none_is_refused() -> None:
    assert "TARGET must be one of image, compose" in eyas("deploy", "doctor", "heroku", code=2)
