"""Compose, Gateway API, the Prometheus Operator and KServe: our files against what their own projects publish.

`make deploy-check` brings these: they are no part of requirements.lock.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.bundles import make_bundle
from support.composed import COMPOSE, read_compose
from support.kserve_fields import wrong_fields
from support.kustomized import Objects, build_choices, needs_kubectl

TOOLS = next((Path(place) for place in sys.path if place.endswith("deploy-tools")), Path("deploy-tools"))
NODE, MODELS = TOOLS / "node", TOOLS / "kserve" / "models"
GATEWAY = "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1"
OPERATOR = "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1"
SOURCES = {"HTTPRoute": GATEWAY, "ServiceMonitor": OPERATOR, "PrometheusRule": OPERATOR}
ASK = """
import {{ {kind} }} from "{source}/{kind}";
import {{ readFileSync }} from "node:fs";
try {{ new {kind}(JSON.parse(readFileSync(0))).validate(); }} catch (error) {{ console.log(error.message); }}
"""
KSERVE = {"InferenceService": "V1beta1InferenceService", "ServingRuntime": "V1alpha1ServingRuntime"}
needs_models = pytest.mark.skipif(
    not (shutil.which("node") and (NODE / "node_modules" / "@kubernetes-models").is_dir()),
    reason="the models of npm are not there: apt-get install npm, and make deploy-check",
)
needs_kserve = pytest.mark.skipif(not MODELS.is_dir(), reason="KServe's models are not there: make deploy-check")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Objects]:
    folder = tmp_path_factory.mktemp("k8s")
    return build_choices(make_bundle(folder / "bundle", version="2"), folder)


def the_one(found: Objects, kind: str) -> Any:
    (one,) = (copy.deepcopy(one) for (own, _), one in found.items() if own == kind)
    return one


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_the_compose_files_keep_the_specification(name: str, tmp_path: Path) -> None:
    if find_spec("check_jsonschema") is None:
        pytest.skip("check-jsonschema is not installed: make deploy-check")
    content = read_compose({}, COMPOSE.with_name(name))
    assert keeps_compose_spec(content, tmp_path) == ""
    content["services"]["jupyter"]["healthchek"] = {}
    assert "healthchek" in keeps_compose_spec(content, tmp_path)


def keeps_compose_spec(content: Any, folder: Path) -> str:
    """What is wrong."""
    (folder / "compose.yaml").write_text(yaml.safe_dump(content))
    words = ["--builtin-schema", "vendor.compose-spec", str(folder / "compose.yaml")]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *words], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def said_of(one: Any) -> str:
    """By the validator that is generated from the kind's own Go types; it lets unknown fields pass, as the API does."""
    script = ASK.format(kind=one["kind"], source=SOURCES[one["kind"]])
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", script],
        cwd=NODE,
        input=json.dumps(one),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_kubectl
@needs_models
@pytest.mark.parametrize("kind", SOURCES)
def test_gateway_api_and_the_operator_take_their_kinds(built: dict[str, Objects], kind: str) -> None:
    one = the_one(built["gateway"], kind)
    assert said_of(one) == ""
    if kind == "HTTPRoute":
        one["spec"]["rules"][1]["backendRefs"][0]["weight"] = -1
        assert "weight must be >= 0" in said_of(one)
    elif kind == "ServiceMonitor":
        del one["spec"]["selector"]
        assert "selector" in said_of(one)
    else:
        one["spec"]["groups"][0]["rules"][0]["labels"] = "page"
        assert "labels must be object" in said_of(one)


@needs_kubectl
@needs_kserve
@pytest.mark.parametrize("kind", KSERVE)
def test_kserve_has_the_fields(built: dict[str, Objects], kind: str) -> None:
    one = the_one(built["kserve"], kind)
    assert [*wrong_fields(one, KSERVE[kind], MODELS)] == []
    one["spec"] |= {"predictr": {}}
    own = f"{KSERVE[kind]}Spec"
    assert [*wrong_fields(one, KSERVE[kind], MODELS)] == [f".spec.predictr is no field of {own}"]
