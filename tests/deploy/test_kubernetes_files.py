"""`eyas deploy k8s`, built by the real kustomize: what comes out is valid, and says what eyas needs."""

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from eyas.bundle import Bundle
from eyas.core.config import load_config
from eyas.core.errors import ConfigError
from eyas.deploy.files import template_folder
from eyas.deploy.release import open_release, parse_image
from eyas.deploy.rendering import OVERLAYS, KubernetesChoice, render_kubernetes
from eyas.serve.app import create_app
from eyas.serve.metrics.families import WAITING
from eyas.serve.processes.supervisor import STOP_SECONDS
from support.asgi import asgi_client
from support.bundles import make_bundle
from support.crds import CRDS
from support.kustomized import CHOICES, IMAGE, STABLE, Objects, build, build_choices, needs_kubectl
from support.live import eyas

pytestmark = needs_kubectl


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "bundle", version="2.0+Fast")


@pytest.fixture(scope="module")
def built(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Objects]:
    """Each choice, by kind and name."""
    return build_choices(bundle, tmp_path_factory.mktemp("k8s"))


def pod(found: Objects, name: str = "eyas") -> Any:
    return found["Deployment", name]["spec"]["template"]["spec"]


@pytest.mark.parametrize("choice", CHOICES)
def test_it_is_what_the_api_servers_take(built: dict[str, Objects], choice: str) -> None:
    """Of Kubernetes's own kinds, strictly against the API's schemas; of others by the shapes in `support.crds`."""
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not there: make deploy-check")
    version = validate.latest_version()
    for (kind, name), one in built[choice].items():
        if kind in CRDS:
            jsonschema.validate(one, CRDS[kind])
            for spec in pods_in(one):
                made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "inner"}, "spec": spec}
                validate.validate(made, version, strict=True)
        else:
            validate.validate(one, version, strict=True)
        assert len(name) <= 63


def pods_in(one: Any) -> list[Any]:
    spec = one.get("spec", {})
    if one["kind"] == "RayCluster":
        return [group["template"]["spec"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    return [{key: spec[key] for key in ("containers", "volumes")}] if one["kind"] == "ServingRuntime" else []


def test_what_is_wrong_is_found(built: dict[str, Objects]) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not there: make deploy-check")
    deployment = copy.deepcopy(built["base"]["Deployment", "eyas"])
    deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailabel"] = 0
    with pytest.raises(validate.ValidationError):
        validate.validate(deployment, validate.latest_version(), strict=True)
    route = copy.deepcopy(built["gateway"]["HTTPRoute", "eyas"])
    route["spec"]["rules"][1]["backendRefs"][0]["weight"] = -1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(route, CRDS["HTTPRoute"])


def test_no_schema_is_missed(built: dict[str, Objects]) -> None:
    kinds = {kind for found in built.values() for kind, _ in found}
    assert {*CRDS} - kinds <= {"PrometheusRule"}  # it is there once deploy/prometheus is
    own = {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "ConfigMap"}
    assert kinds - {*CRDS} == own | {"ServiceAccount", "PersistentVolumeClaim"}


@pytest.mark.parametrize("choice", ["base", "kserve", "ray"])
def test_every_container_is_locked_in(built: dict[str, Objects], choice: str) -> None:
    for one in built[choice].values():
        specs = [one["spec"]["template"]["spec"]] if one["kind"] == "Deployment" else pods_in(one)
        for spec in specs:
            of_pod = spec.get("securityContext", {})
            for container in spec["containers"]:
                both = of_pod | container["securityContext"]
                assert both["runAsNonRoot"] is True
                assert both["runAsUser"] == 10001
                assert both["allowPrivilegeEscalation"] is False
                assert both["capabilities"] == {"drop": ["ALL"]}
                assert both["seccompProfile"] == {"type": "RuntimeDefault"}
                assert both.get("readOnlyRootFilesystem") is (None if choice == "ray" else True)
                assert "memory" in container["resources"]["limits"]


def test_the_probes_ask_for_what_eyas_answers(built: dict[str, Objects], bundle: Bundle) -> None:
    container = pod(built["base"])["containers"][0]
    runtime = built["kserve"]["ServingRuntime", "eyas"]["spec"]["containers"][0]
    paths = {
        one[probe]["httpGet"]["path"]
        for one in (container, runtime)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {"/readyz", "/livez", "/v2/health/ready", "/v2/health/live"}
    monitor = built["all parts"]["ServiceMonitor", "eyas"]["spec"]["endpoints"][0]["path"]
    with asgi_client(create_app(bundle, load_config(None, []).serve)) as client:
        for path in (*paths, monitor):
            assert client.get(path).status_code == 200, path


def test_nothing_is_dropped_while_pods_change(built: dict[str, Objects]) -> None:
    deployment = built["base"]["Deployment", "eyas"]["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert "replicas" not in deployment
    spec = pod(built["base"])
    leaving = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert leaving >= 5
    assert spec["terminationGracePeriodSeconds"] >= leaving + STOP_SECONDS + 5
    budget = built["base"]["PodDisruptionBudget", "eyas"]["spec"]
    scale = built["base"]["HorizontalPodAutoscaler", "eyas"]["spec"]
    assert scale["minReplicas"] > budget["maxUnavailable"]


def test_it_scales_by_the_queue_and_falls_back_on_cpu(built: dict[str, Objects]) -> None:
    queue, cpu = built["base"]["HorizontalPodAutoscaler", "eyas"]["spec"]["metrics"]
    assert queue["pods"]["metric"]["name"] == WAITING.name
    assert cpu["resource"]["name"] == "cpu"
    limits = pod(built["base"])["containers"][0]["resources"]
    share = int(limits["limits"]["cpu"]) / int(limits["requests"]["cpu"])
    assert cpu["resource"]["target"]["averageUtilization"] < 100 * share  # else it is never reached
    adapter = yaml.safe_load((template_folder() / "kubernetes" / "prometheus-adapter.yaml").read_text())
    assert adapter["rules"]["custom"][0]["name"]["as"] == WAITING.name


def test_the_settings_are_eyas_s(built: dict[str, Objects], tmp_path: Path) -> None:
    found = built["base"]
    config = next(one for (kind, _), one in found.items() if kind == "ConfigMap")
    file = tmp_path / "eyas.yaml"
    file.write_text(config["data"]["eyas.yaml"])
    serve = load_config(file, []).serve
    spec = pod(found)
    mounts = {one["mountPath"] for one in spec["containers"][0]["volumeMounts"]}
    assert serve.auth is not None
    assert serve.auth.secret_file is not None
    assert serve.monitor is not None
    assert str(Path(serve.auth.secret_file).parent) in mounts
    assert serve.monitor.folder in mounts
    assert spec["containers"][0]["ports"][0]["containerPort"] == serve.port


def test_the_image_and_version_are_the_release_s(built: dict[str, Objects], bundle: Bundle) -> None:
    deployment = built["base"]["Deployment", "eyas"]
    assert pod(built["base"])["containers"][0]["image"] == IMAGE
    template = deployment["spec"]["template"]["metadata"]
    assert template["labels"]["app.kubernetes.io/version"] == "2-0-fast"
    assert template["annotations"] == {"eyas-model": "digits 2.0+Fast", "eyas-bundle": bundle.manifest.digest}
    cluster = built["ray"]["RayCluster", "eyas-ray"]
    assert {container["image"] for spec in pods_in(cluster) for container in spec["containers"]} == {IMAGE}
    model = built["kserve"]["InferenceService", "digits"]["spec"]["predictor"]["model"]
    assert model["storageUri"] == "s3://models/digits/2"


def test_a_canary_stands_beside_the_stable_version(built: dict[str, Objects]) -> None:
    found = built["gateway"]
    assert pod(found)["containers"][0]["image"] == STABLE
    assert pod(found, "eyas-canary")["containers"][0]["image"] == IMAGE
    _, rule = found["HTTPRoute", "eyas"]["spec"]["rules"]
    assert [(one["name"], one["weight"]) for one in rule["backendRefs"]] == [("eyas", 90), ("eyas-canary", 10)]
    for name, track in (("eyas", "stable"), ("eyas-canary", "canary")):
        labels = found["Deployment", name]["spec"]["template"]["metadata"]["labels"]
        assert found["Service", name]["spec"]["selector"].items() <= labels.items()
        assert labels["eyas-track"] == track
        assert found["HorizontalPodAutoscaler", name]["spec"]["scaleTargetRef"]["name"] == name
    assert "app.kubernetes.io/version" not in found["Deployment", "eyas"]["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("kind", ["Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"])
def test_a_canary_changes_no_selector_of_what_is_there(built: dict[str, Objects], kind: str) -> None:
    """The API refuses another selector for a Deployment."""
    before = selected(built["base"][kind, "eyas"])
    assert before == {"app.kubernetes.io/name": "eyas", "eyas-track": "stable"}
    assert selected(built["gateway"][kind, "eyas"]) == before
    assert selected(built["gateway"][kind, "eyas-canary"]) == before | {"eyas-track": "canary"}


def selected(one: Any) -> Any:
    """The labels that it goes by."""
    found = one["spec"].get("selector") or one["spec"]["podSelector"]
    return found.get("matchLabels", found)


def test_parts_are_added(built: dict[str, Objects]) -> None:
    found = built["all parts"]
    assert {one["metadata"]["namespace"] for one in found.values()} == {"shop"}
    spec = pod(found)
    models = {"name": "models", "mountPath": "/models", "readOnly": True}
    assert models in spec["containers"][0]["volumeMounts"]
    assert "serve.monitor.store=postgresql://" in spec["containers"][0]["args"]
    assert spec["containers"][0]["envFrom"] == [{"secretRef": {"name": "eyas-postgres"}}]
    assert {"ports": [{"protocol": "TCP", "port": 5432}]} in found["NetworkPolicy", "eyas"]["spec"]["egress"]


def test_alerts_become_a_rule_of_the_operator(bundle: Bundle, tmp_path: Path) -> None:
    rules = template_folder() / "prometheus" / "eyas.rules.yml"
    if not rules.is_file():
        pytest.skip("deploy/prometheus/eyas.rules.yml is not there")
    render_kubernetes(open_release(bundle.path, IMAGE), tmp_path / "out", KubernetesChoice(components=("monitoring",)))
    made = build(tmp_path / "out")["PrometheusRule", "eyas"]
    jsonschema.validate(made, CRDS["PrometheusRule"])
    assert made["spec"]["groups"] == yaml.safe_load(rules.read_text())["groups"]


def test_the_tree_builds_as_it_lies() -> None:
    tree = template_folder() / "kubernetes"
    for place in ("base", *(f"overlays/{name}" for name in OVERLAYS)):
        build(tree / place)


def test_the_command(bundle: Bundle, tmp_path: Path) -> None:
    words = ("deploy", "k8s", "--bundle", bundle.path, "--image", IMAGE, "--out", "k8s")
    said = eyas(*words, "--with", "monitoring", "--namespace", "shop", cwd=tmp_path)
    assert said == "wrote k8s/kustomization.yaml\nnext: kubectl apply -k k8s\n"
    assert ("ServiceMonitor", "eyas") in build(tmp_path / "k8s")
    assert "k8s exists already" in eyas(*words, cwd=tmp_path, code=2)
    for image in ("digits", "digits:latest", "Digits:1", "digits:1 "):
        said = eyas("deploy", "k8s", "--bundle", bundle.path, "--image", image, "--out", "x", cwd=tmp_path, code=2)
        assert "--image must" in said
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ({"overlay": "istio"}, "--overlay must be one of"),
        ({"components": ("grafana",)}, "--with must be one of"),
        ({"overlay": "gateway"}, "--stable names the live image"),
        ({"stable": parse_image(STABLE)}, "--stable names the live image"),
        ({"weight": 10}, "--weight must be 0 to 100, with --overlay gateway"),
        ({"overlay": "kserve", "components": ("monitoring",)}, "leave --with out"),
        ({"overlay": "gateway", "stable": parse_image(STABLE), "components": ("models-volume",)}, "on one volume"),
    ],
)
def test_what_does_not_go_together_is_refused(choice: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        KubernetesChoice(**choice)
