"""The compose file's services as processes of this machine, and a model's life among them.

PostgreSQL ◄─ MLflow ◄─ training, optimization ─► models ─► api ◄─ Prometheus ─► Alertmanager
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sklearn.datasets import load_digits

from eyas.bundle import Repository
from eyas.client import Client
from eyas.deploy.files import template_folder
from eyas.deploy.stack import write_secrets
from support.composed import COMPOSE, Stack
from support.loaded import loaded_eyas
from support.postgres import Postgres, needs_postgres, running_postgres
from support.waiting import wait_until

pytestmark = [needs_postgres, pytest.mark.slow]
DOCKER = template_folder() / "docker"
PYTHON, EYAS = (sys.executable,), (sys.executable, "-m", "eyas")
SETTINGS = {"EYAS_MODEL": "digits", "EYAS_TRIALS": "2", "EYAS_STORE": "postgresql://postgres/eyas?service=eyas"}
QUICK = ["train.epochs=1", "train.precision=fp32"]
PROMETHEUS = shutil.which("prometheus")
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
SECONDS = 60
PROOF = "groups: [{name: proof, rules: [{alert: Proof, expr: 'up{job=\"eyas\"} == 1'}]}]\n"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL and MLflow run."""
    made = Stack(tmp_path_factory.mktemp("stack"), SETTINGS)
    write_secrets(made.folder / "secrets")
    with ExitStack() as running:
        _prepare(running.enter_context(running_postgres()), made)
        command = made.command("mlflow", *PYTHON, "-m", "mlflow")
        environment = made.environment("mlflow")
        running.enter_context(made.running("mlflow", command, environment, made.volume("mlflow")))
        made.wait_healthy("mlflow", environment, *PYTHON)
        yield made


def _prepare(server: Postgres, stack: Stack) -> None:
    """What the image does at its first start: the service's user and database, then the file's statements."""
    environment = stack.service("postgres")["environment"]
    password = Path(stack.here("postgres", environment["POSTGRES_PASSWORD_FILE"])).read_text().strip()
    statements = [
        f"CREATE ROLE {environment['POSTGRES_USER']} SUPERUSER LOGIN PASSWORD '{password}'",
        f"CREATE DATABASE {environment['POSTGRES_DB']}",
        *(line for line in (COMPOSE.parent / "databases.sql").read_text().splitlines() if not line.startswith("--")),
    ]
    with psycopg.connect(server.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        stack.ports[5432] = connection.info.port


def _run(stack: Stack, name: str, command: list[str]) -> str:
    """One that ends: a service, or `docker compose run` of it; in the working directory of its image."""
    path = os.pathsep.join([str(Path(loaded_eyas()).parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = stack.environment(name, PATH=path, EYAS_CACHE_DIR=str(stack.folder / "cache"))
    done = subprocess.run(
        command, cwd=stack.volume("work"), env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _train(stack: Stack, *words: str) -> str:
    script, *arguments = stack.service("training")["entrypoint"]
    own = [stack.here("training", word) for word in arguments]
    return _run(stack, "training", stack.command("training", "bash", str(DOCKER / script), *own, words=list(words)))


@pytest.fixture(scope="module")
def trained(stack: Stack) -> str:
    """What the training said; its command is the file's with words behind it."""
    return _train(stack, *stack.service("training")["command"], *QUICK)


@pytest.fixture(scope="module")
def served(stack: Stack, trained: str) -> Iterator[Client]:
    """The service runs, by the image's configuration and the file's command; a client with a token."""
    folder = stack.folder / "etc-eyas"
    folder.mkdir()
    (folder / "eyas.yaml").write_text(stack.here("api", (DOCKER / "serve.yaml").read_text()))
    port = f"serve.port={stack.ports[5000]}"
    environment = stack.environment("api", EYAS_URL=stack.url("api"))
    command = [*stack.command("api", *EYAS), port]
    with stack.running("api", command, environment, folder):
        stack.wait_healthy("api", environment, *PYTHON)
        asked = [*EYAS, "token", "--sub", "ann", *(f"--scope={scope}" for scope in ("predict", "feedback", "admin"))]
        token = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
        with Client(stack.url("api"), token=token) as client:
            yield client


def test_training_publishes_a_first_version_that_is_live_and_tracks_it(stack: Stack, trained: str):
    assert "and made it live" in trained
    assert len(Repository(stack.volume("models")).versions("digits")) == 1
    host = {"Host": f"mlflow:{stack.ports[5001]}"}  # the name by which the trainings find it
    url = f"{stack.url('mlflow')}/api/2.0/mlflow/experiments/search"
    answer = httpx.post(url, json={"max_results": 10}, headers=host)
    assert "digits" in {one["name"] for one in answer.json()["experiments"]}
    assert httpx.post(url, json={"max_results": 10}, headers={"Host": "elsewhere.example.com"}).status_code == 403


def test_optimization_is_remembered_in_the_database(stack: Stack):
    """The file's command, with fewer trials."""
    words = [*stack.service("optimization")["command"], "--seeds=1", *QUICK]
    _run(stack, "optimization", stack.command("optimization", loaded_eyas(), words=words))
    with psycopg.connect(f"postgresql://127.0.0.1:{stack.ports[5432]}/studies", **_login(stack)) as connection:
        assert connection.execute("SELECT count(*) FROM trials").fetchone() == (2,)
    (results,) = stack.volume("work").glob("runs/*/optimization_results.json")
    assert json.loads(results.read_text())["trials"]


def _login(stack: Stack) -> dict[str, Any]:
    lines = (stack.folder / "secrets" / "pg_service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_the_service_answers_who_has_a_token_and_learns_what_was_true(stack: Stack, served: Client):
    digits = load_digits()
    images = (digits.images[1500:1540] * 16).clip(0, 255).astype("uint8")[..., None]
    with Client(stack.url("api"), token="") as stranger, pytest.raises(Exception, match="token"):
        stranger.predict(images[0])
    answer = served.predict(images)
    served.feedback({f"{answer.id}-{row}": str(truth) for row, truth in enumerate(digits.target[1500:1540])})
    wait_until(lambda: served.monitor()["versions"][0]["feedback"]["labels"] == 40, SECONDS)
    with psycopg.connect(f"postgresql://127.0.0.1:{stack.ports[5432]}/eyas", **_login(stack)) as connection:
        assert connection.execute("SELECT count(*) FROM eyas_predictions").fetchone() == (40,)


def test_a_second_version_goes_live_by_hand_and_back(stack: Stack, served: Client):
    first = served.health()["version"]
    said = _train(stack, "digits", *QUICK, "train.seed=1")
    (second,) = set(Repository(stack.volume("models")).versions("digits")) - {first}
    assert f"digits {second}" in said
    assert served.health()["version"] == first
    for words, version in ((("live", "digits", second), second), (("rollback", "digits"), first)):
        verb, *rest = words
        _run(stack, "api", [*EYAS, "models", verb, stack.here("api", "/models"), *rest])
        wait_until(partial(_is_live, served, version), SECONDS)


@pytest.mark.skipif(
    not (PROMETHEUS and ALERTMANAGER),
    reason="Prometheus and Alertmanager are not installed: apt-get install prometheus prometheus-alertmanager",
)
def test_prometheus_reads_the_service_and_tells_alertmanager(stack: Stack, served: Client):
    assert PROMETHEUS
    assert ALERTMANAGER
    folder = stack.folder / "etc-prometheus"
    folder.mkdir()
    text = stack.here("prometheus", (COMPOSE.parent / "prometheus.yml").read_text()).replace("15s", "1s")
    (folder / "prometheus.yml").write_text(text.replace("[eyas.rules.yml]", "[eyas.rules.yml, proof.yml]"))
    shutil.copy(template_folder() / "prometheus" / "eyas.rules.yml", folder)
    (folder / "proof.yml").write_text(PROOF)
    commands = {
        name: stack.command(name, program)
        for name, program in (("prometheus", PROMETHEUS), ("alertmanager", ALERTMANAGER))
    }
    own = str(COMPOSE.parent / "prometheus.yml")
    commands["prometheus"] = [word.replace(own, str(folder / "prometheus.yml")) for word in commands["prometheus"]]
    with ExitStack() as running:
        for name, command in commands.items():
            running.enter_context(stack.running(name, command, stack.environment(name), stack.volume(name)))
        metrics = f"{stack.url('prometheus')}/api/v1"
        wait_until(lambda: _asked(f"{metrics}/query", query="eyas_predictions_total"), SECONDS)
        wait_until(lambda: _asked(f"{stack.url('alertmanager')}/api/v2/alerts"), SECONDS)
        (alert,) = _asked(f"{stack.url('alertmanager')}/api/v2/alerts")
        assert alert["labels"]["alertname"] == "Proof"
        health = {rule["health"] for group in _asked(f"{metrics}/rules")["groups"] for rule in group["rules"]}
        assert "err" not in health


def _is_live(client: Client, version: str) -> bool:
    return bool(client.health()["version"] == version)


def _asked(url: str, **query: str) -> Any:
    """What is there; nothing while nobody answers."""
    try:
        reply = httpx.get(url, params=query)
    except httpx.TransportError:
        return None
    if reply.status_code != 200:  # it is not ready yet
        return None
    answer = reply.json()
    if not isinstance(answer, dict):
        return answer
    found = answer["data"]
    return found.get("result", found)
