"""The Dockerfiles and the compose file: what they name is there, and they agree with each other and with eyas."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import environment_variables

from eyas import __version__
from eyas.core.config import is_override, load_config
from eyas.core.schema import ServeConfig
from eyas.deploy.context import PROJECT, project_folder
from eyas.deploy.files import template_folder
from eyas.deploy.fitting import RUNTIME
from support.composed import COMPOSE, mounts, read_compose, variables

ROOT = project_folder()
DOCKER = template_folder() / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
SERVICES: dict[str, dict[str, Any]] = read_compose({})["services"]
ENDING = ("training", "optimization")
"""They end by themselves."""
PINNED = re.compile(r"[\w./-]+:v?\d[\w.-]*")


def _instructions(file: Path) -> list[list[str]]:
    """The words of each instruction; comments and line ends are gone."""
    text = re.sub(r"^#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip()]


def _one(file: Path, name: str) -> list[str]:
    """The last instruction of a name; what stands behind it."""
    return [words for words in _instructions(file) if words[0] == name][-1][1:]


def _lock(name: str) -> str:
    return next(
        line.partition("==")[2]
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if line.startswith(f"{name}==")
    )


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
def test_what_a_dockerfile_copies_is_there(file: Path):
    copied = [
        words for words in _instructions(file) if words[0] == "COPY" and not any(w.startswith("--from") for w in words)
    ]
    named = {name for words in copied for name in words[1:-1] if not name.startswith("--")}
    missing = {name for name in named if not (ROOT / name).exists() and name != "bundle"}
    assert not missing
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert not {name for name in named if name.split("/")[0] not in allowed and name != ".dockerignore"}


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
def test_an_image_runs_as_a_user_of_its_own_and_takes_sigterm(file: Path):
    assert [words[1] for words in _instructions(file) if words[0] == "USER"] == ["10001:10001"]
    assert _one(file, "STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(" ".join(_one(file, "ENTRYPOINT"))), "no shell stands between the signal and the program"
    assert _one(file, "HEALTHCHECK")
    begun = [words[1] for words in _instructions(file) if words[0] == "FROM"]
    stages = {words[3] for words in _instructions(file) if words[0] == "FROM" and len(words) > 2}
    assert set(begun) - stages == {"${PYTHON_IMAGE}"}
    assert next(words[1] for words in _instructions(file)) == "PYTHON_IMAGE=python:3.11-slim-bookworm"


@pytest.mark.parametrize("name", ["serve", "train"])
def test_an_image_has_a_lock_with_all_that_its_extras_need(name: str):
    """As it is installed here, from requirements.lock; setuptools alone is not in that."""
    first, *lines = (DOCKER / f"{name}.lock").read_text().splitlines()
    (wanted,) = re.findall(r"eyas\[.+?\]", first)
    command = [sys.executable, str(DOCKER / "closure.py"), str(ROOT / "pyproject.toml"), wanted]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    assert [line for line in found if "setuptools" not in line] == [line for line in lines if "setuptools" not in line]
    locked = {_plain(line) for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert {_plain(line) for line in lines} - locked <= {"setuptools"}
    assert ("torch" in {_plain(line) for line in lines}) == (name == "train")


@pytest.mark.parametrize("name", ["ray", "mlflow"])
def test_what_is_no_part_of_eyas_has_a_lock_too(name: str):
    """One that an image installs, and of each library one version."""
    lines = _locked(DOCKER / f"{name}.lock")
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    users = [file.name.partition(".")[0] for file in DOCKERFILES if f"--requirement {name}.lock" in file.read_text()]
    assert users == [{"ray": "train", "mlflow": "mlflow"}[name]]
    own = {_plain(line): line.partition("==")[2] for line in lines}
    assert len(own) == len(lines)
    if name == "ray":
        assert not own.keys() & {_plain(line) for line in _locked(DOCKER / "train.lock")}
        ours = {_plain(line): line.partition("==")[2] for line in _locked(ROOT / "requirements.lock")}
        assert {name: ours.get(name, version) for name, version in own.items()} == own


def _locked(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if not line.startswith("#")]


def _plain(requirement: str) -> str:
    return requirement.partition("==")[0].lower().replace("_", "-").replace(".", "-")


def test_what_the_serving_image_goes_by_is_a_configuration(tmp_path: Path):
    serve = load_config(DOCKER / "serve.yaml").serve
    assert serve.host == "0.0.0.0"
    assert serve.auth, "beyond this machine it asks for tokens"
    assert serve.port == ServeConfig().port == int(_one(DOCKER / "serve.Dockerfile", "EXPOSE")[0])
    assert serve.auth.secret_file == "/run/secrets/auth_secret"
    assert ("monitor", serve.monitor and serve.monitor.folder) in mounts(SERVICES["api"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_held_in(name: str):
    service = SERVICES[name]
    assert service["user"].split(":")[0] not in ("0", "root")
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["restart"] == ("no" if name in ENDING else "unless-stopped")
    assert service["healthcheck"].get("disable", False) == (name in ENDING)
    assert PINNED.fullmatch(service["image"]), f"{service['image']} must have a version"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_is_there(name: str):
    service, content = SERVICES[name], read_compose({})
    for source, _ in mounts(service):
        assert source in content["volumes"] or source == "../../data" or (COMPOSE.parent / source).exists(), source
    assert set(service.get("secrets", [])) <= content["secrets"].keys()
    for secret in re.findall(r"/run/secrets/(\w+)", json.dumps(service)):
        assert secret in service["secrets"]
    for other in service.get("depends_on", {}):
        assert set(SERVICES[other].get("profiles", [name])) >= set(service.get("profiles", []))
        assert "disable" not in SERVICES[other]["healthcheck"]
    if build := service.get("build"):
        file = COMPOSE.parent / build["context"] / build["dockerfile"]
        stages = [words[3] for words in _instructions(file) if words[0] == "FROM" and len(words) > 2]
        assert build.get("target", stages[-1]) in stages
        arguments = {words[1].partition("=")[0] for words in _instructions(file) if words[0] == "ARG"}
        assert build.get("args", {}).keys() <= arguments


def test_the_keys_and_variables_of_services_are_real():
    sources = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    for name, service in SERVICES.items():
        words = [str(word) for word in service.get("command", [])]
        if "eyas" in service["image"] and name not in ("mlflow", "jupyter"):
            load_config(None, [word for word in words if is_override(word)])
        for variable in service.get("environment", {}):
            if variable.startswith("EYAS_"):
                assert f'"{variable}"' in sources, variable
            if variable.startswith("MLFLOW_") and variable != "MLFLOW_TRACKING_URI":
                assert hasattr(environment_variables, variable), variable
    for file in DOCKERFILES:
        for variable in set(re.findall(r"\bEYAS_\w+", file.read_text())):
            assert f'"{variable}"' in sources, variable


def test_ports_agree():
    inside = {name: {int(port.rpartition(":")[2]) for port in one.get("ports", [])} for name, one in SERVICES.items()}
    assert inside["api"] == {ServeConfig().port}
    assert inside["mlflow"] == {5001}, "5000 is the service's"
    for name, ports in inside.items():
        said = json.dumps([SERVICES[name].get("command", []), SERVICES[name]["healthcheck"]])
        own = set(map(int, re.findall(r"(?:--port=|127\.0\.0\.1:|0\.0\.0\.0:)(\d{4})", said)))
        assert own <= ports, name
    for file in ("prometheus.yml", "datasource.yml", "compose.yaml"):
        for name, port in re.findall(rf"\b({'|'.join(SERVICES)}):(\d{{4}})\b", (COMPOSE.parent / file).read_text()):
            assert int(port) in inside[name], f"{file}: {name}:{port}"


def test_the_file_for_prometheus_differs_from_the_one_beside_it_by_names_alone():
    ours = (COMPOSE.parent / "prometheus.yml").read_text()
    theirs = (template_folder() / "prometheus" / "prometheus.yml").read_text()
    here = yaml.safe_load(re.sub(r"\b(api|alertmanager)(?=:\d)", "localhost", ours))
    assert here == yaml.safe_load(theirs)
    ours = (COMPOSE.parent / "datasource.yml").read_text().replace("//prometheus:", "//localhost:")
    theirs = (template_folder() / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text()
    assert yaml.safe_load(ours) == yaml.safe_load(theirs)


def test_all_that_can_be_set_is_in_the_example():
    lines = (COMPOSE.parent / ".env.example").read_text().splitlines()
    told = [line[1:].partition("=") for line in lines if re.match(r"#[A-Z_]+=", line)]
    wanted = variables() | variables(COMPOSE.with_name("compose.gpu.yaml"))
    assert {name for name, _, _ in told} == {*wanted, "COMPOSE_PROFILES"}
    first: dict[str, str] = {}
    for name, _, value in told:
        first.setdefault(name, value)
    assert {name: first[name] for name in wanted} == wanted


def test_versions_agree():
    for service in ("api", "training", "optimization", "jupyter"):
        assert SERVICES[service]["image"].endswith(f":{__version__}")
        assert SERVICES[service]["build"]["args"]["VERSION"] == __version__
    assert _lock("onnxruntime") == RUNTIME
    mlflow = (DOCKER / "mlflow.lock").read_text().splitlines()
    assert {f"{name}=={_lock('mlflow-skinny')}" for name in ("mlflow", "mlflow-skinny")} <= set(mlflow)
    assert {f"{name}=={_lock('psycopg')}" for name in ("psycopg", "psycopg-binary")} <= set(mlflow)
    cluster = yaml.safe_load((template_folder() / "kubernetes/overlays/ray/ray-cluster.yaml").read_text())
    assert cluster["spec"]["rayVersion"] == _lock("ray")
    assert SERVICES["mlflow"]["image"] == f"eyas-mlflow:{_lock('mlflow-skinny')}"


def test_the_gpu_file_is_for_what_learns():
    gpu = read_compose({}, COMPOSE.with_name("compose.gpu.yaml"))["services"]
    assert gpu.keys() == {"training", "optimization", "jupyter"}
    arguments = {
        words[1].partition("=")[0] for words in _instructions(DOCKER / "train.Dockerfile") if words[0] == "ARG"
    }
    for service in gpu.values():
        assert service["build"]["args"].keys() <= arguments
        assert service["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_health_checks_are_those_of_the_images():
    for name, file in (("api", "serve.Dockerfile"), ("mlflow", "mlflow.Dockerfile")):
        words = _one(DOCKER / file, "HEALTHCHECK")
        check = " ".join(words[words.index("CMD") + 1 :])
        assert json.loads(check) == SERVICES[name]["healthcheck"]["test"][1:]


def test_what_is_beside_the_sources_is_shipped():
    shipped = (ROOT / "pyproject.toml").read_text()
    for name in PROJECT:
        assert f'"{name}" = "eyas/deploy/project/{name}"' in shipped
    assert '"deploy" = "eyas/deploy/files"' in shipped


def test_what_a_machine_keeps_to_itself_is_in_no_context():
    """Of the rules of .dockerignore the last one that fits holds."""
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = max(index for index, rule in enumerate(rules) if rule.startswith("!"))
    assert {"**/.env", "**/secrets"} <= set(rules[let_in:])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_a_machine_keeps_to_itself_is_in_no_wheel(tmp_path: Path):
    """As an image builds it: of a folder without git, with what compose and its secrets lay there."""
    place, environment = tmp_path / "place", tmp_path / "venv"
    for name in ("deploy", "src"):
        shutil.copytree(ROOT / name, place / name)
    for name in PROJECT:
        shutil.copy(ROOT / name, place)
    (place / "deploy" / "secrets").mkdir()
    for name in ("compose/.env", "secrets/auth_secret"):
        (place / "deploy" / name).write_text("a secret")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    build = [environment / "bin" / "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, place]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert not {name for name in names if name.endswith("/.env") or "/secrets/" in name}
    assert {f"eyas/deploy/files/{name}" for name in ("compose/.env.example", "docker/serve.Dockerfile")} <= names
    assert {f"eyas/deploy/project/{name}" for name in PROJECT} <= names
    assert {"eyas/__init__.py", "eyas/py.typed", "eyas/deploy/context.py"} <= names


def test_no_service_is_started_that_was_not_asked_for():
    assert [name for name, service in SERVICES.items() if not service.get("profiles")] == ["api"]
    assert "depends_on" not in SERVICES["api"]


def test_the_training_script_trains_nothing_that_it_could_not_publish(tmp_path: Path):
    (tmp_path / "models").write_text("a file, where the volume should be")
    command = ["bash", str(DOCKER / "train-and-publish"), "digits", "models", "digits"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "models must be a folder that user" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["models"]


def test_the_training_script_is_bash(tmp_path: Path):
    subprocess.run(["bash", "-n", str(DOCKER / "train-and-publish")], check=True)
    assert shlex.split(str(SERVICES["training"]["entrypoint"][0])) == ["train-and-publish"]
