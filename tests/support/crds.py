"""The shapes of kinds that are not Kubernetes's own, by hand: of their fields those that we use, and no others.

Sources: the CRDs of Gateway API v1, the Prometheus Operator, KServe and KubeRay v1; the reference of Container Apps.
What they hold of Kubernetes's own kinds (pods) is checked against those. Unlike an API server they refuse fields that
they do not know; `test_foreign_schemas.py` asks what their projects publish about the values.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "integer", "minimum": 0}
ANY: Schema = {}


def thing(required: dict[str, Schema], **optional: Schema) -> Schema:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": required | optional,
        "required": [*required],
        "additionalProperties": False,
    }


def listed(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


def of_kind(api: str, kind: str, spec: Schema) -> Schema:
    named = thing({"name": TEXT}, labels=ANY, annotations=ANY, namespace=TEXT)
    return thing({"apiVersion": {"const": api}, "kind": {"const": kind}, "metadata": named, "spec": spec})


_BACKEND = thing({"name": TEXT, "port": NUMBER}, weight=NUMBER | {"maximum": 1_000_000}, kind=TEXT, namespace=TEXT)
_HEADER = thing({"name": TEXT, "value": TEXT}, type={"enum": ["Exact", "RegularExpression"]})
_RULE = thing(
    {"backendRefs": listed(_BACKEND)},
    matches=listed(thing({}, headers=listed(_HEADER), path=ANY, method=TEXT)),
    filters=ANY,
    timeouts=ANY,
)
_HTTP_ROUTE = thing(
    {"parentRefs": listed(thing({"name": TEXT}, namespace=TEXT, sectionName=TEXT)), "rules": listed(_RULE)},
    hostnames=listed(TEXT),
)
_ENDPOINT = thing({"port": TEXT, "path": TEXT}, interval=TEXT, scrapeTimeout=TEXT, scheme=TEXT)
_SERVICE_MONITOR = thing(
    {"selector": thing({"matchLabels": ANY}), "endpoints": listed(_ENDPOINT)},
    jobLabel=TEXT,
    podTargetLabels=listed(TEXT),
)
_ALERT = thing({"expr": ANY}, alert=TEXT, record=TEXT, labels=ANY, annotations=ANY) | {"minProperties": 2}
_ALERT["properties"] |= {"for": TEXT, "keep_firing_for": TEXT}
_PROMETHEUS_RULE = thing({"groups": listed(thing({"name": TEXT, "rules": listed(_ALERT)}, interval=TEXT))})
_FORMAT = thing({"name": TEXT}, version=TEXT, autoSelect={"type": "boolean"}, priority=NUMBER)
_SERVING_RUNTIME = thing(
    {"supportedModelFormats": listed(_FORMAT), "containers": listed(ANY)},
    protocolVersions=listed({"enum": ["v1", "v2", "grpc-v1", "grpc-v2"]}),
    volumes=ANY,
    annotations=ANY,
)
_MODEL = thing(
    {"modelFormat": thing({"name": TEXT}, version=TEXT), "storageUri": TEXT},
    protocolVersion={"enum": ["v1", "v2"]},
    runtime=TEXT,
)
_INFERENCE = thing({"predictor": thing({"model": _MODEL}, minReplicas=NUMBER, maxReplicas=NUMBER)})
_POD = thing({"spec": ANY}, metadata=ANY)
_GROUP = thing(
    {"groupName": TEXT, "template": _POD, "rayStartParams": {"type": "object"}},
    replicas=NUMBER,
    minReplicas=NUMBER,
    maxReplicas=NUMBER,
)
_RAY_CLUSTER = thing(
    {
        "rayVersion": TEXT,
        "headGroupSpec": thing({"template": _POD, "rayStartParams": ANY}),
        "workerGroupSpecs": listed(_GROUP),
    },
    authOptions=thing({"mode": {"enum": ["token", "disabled"]}}),
    enableInTreeAutoscaling={"type": "boolean"},
    autoscalerOptions=thing({}, idleTimeoutSeconds=NUMBER, upscalingMode={"enum": ["Default", "Aggressive"]}),
)
_RAY_JOB = thing(
    {"entrypoint": TEXT, "clusterSelector": thing({"ray.io/cluster": TEXT})},
    submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
    entrypointNumCpus={"type": "number"},
    entrypointNumGpus={"type": "number"},
    backoffLimit=NUMBER,
)
CRDS: dict[str, Schema] = {
    "HTTPRoute": of_kind("gateway.networking.k8s.io/v1", "HTTPRoute", _HTTP_ROUTE),
    "ServiceMonitor": of_kind("monitoring.coreos.com/v1", "ServiceMonitor", _SERVICE_MONITOR),
    "PrometheusRule": of_kind("monitoring.coreos.com/v1", "PrometheusRule", _PROMETHEUS_RULE),
    "ServingRuntime": of_kind("serving.kserve.io/v1alpha1", "ServingRuntime", _SERVING_RUNTIME),
    "InferenceService": of_kind("serving.kserve.io/v1beta1", "InferenceService", _INFERENCE),
    "RayCluster": of_kind("ray.io/v1", "RayCluster", _RAY_CLUSTER),
    "RayJob": of_kind("ray.io/v1", "RayJob", _RAY_JOB),
}
_PROBE = thing(
    {"type": {"enum": ["Startup", "Readiness", "Liveness"]}, "httpGet": thing({"path": TEXT, "port": NUMBER})},
    periodSeconds=NUMBER,
    timeoutSeconds=NUMBER | {"maximum": 240},
    failureThreshold=NUMBER | {"maximum": 30},
)
_CONTAINER = thing(
    {"name": TEXT, "image": TEXT, "resources": thing({"cpu": {"type": "number"}, "memory": TEXT})},
    command=listed(TEXT),
    args=listed(TEXT),
    env=listed(thing({"name": TEXT}, value=TEXT, secretRef=TEXT)),
    probes=listed(_PROBE),
)
_SCALE = thing({"minReplicas": NUMBER, "maxReplicas": NUMBER | {"maximum": 1000}}, rules=listed(ANY))
_INGRESS = thing(
    {"external": {"type": "boolean"}, "targetPort": NUMBER},
    transport={"enum": ["auto", "http", "http2", "tcp"]},
    allowInsecure={"type": "boolean"},
    traffic=ANY,
)
CONTAINER_APP = thing(
    {
        "type": {"const": "Microsoft.App/containerApps"},
        "name": TEXT | {"maxLength": 32, "pattern": "^[a-z][a-z0-9-]*[a-z0-9]$"},
        "location": TEXT,
        "properties": thing(
            {
                "environmentId": TEXT,
                "configuration": thing(
                    {"activeRevisionsMode": {"const": "Multiple"}, "ingress": _INGRESS},
                    maxInactiveRevisions=NUMBER,
                    registries=listed(thing({"server": TEXT}, identity=TEXT)),
                    secrets=listed(thing({"name": TEXT, "keyVaultUrl": TEXT, "identity": TEXT})),
                ),
                "template": thing(
                    {"containers": listed(_CONTAINER), "scale": _SCALE},
                    terminationGracePeriodSeconds=NUMBER | {"maximum": 600},
                ),
            }
        ),
    },
    identity=thing(
        {"type": {"const": "UserAssigned"}, "userAssignedIdentities": {"type": "object", "minProperties": 1}}
    ),
)
CLOUD_RUN = of_kind(
    "serving.knative.dev/v1",
    "Service",
    thing(
        {
            "template": thing(
                {
                    "metadata": thing({}, labels=ANY, annotations=ANY),
                    "spec": thing(
                        {"containers": listed(ANY)},
                        containerConcurrency=NUMBER | {"maximum": 1000},
                        timeoutSeconds=NUMBER | {"maximum": 3600},
                        serviceAccountName=TEXT,
                    ),
                }
            )
        },
        traffic=ANY,
    ),
)
