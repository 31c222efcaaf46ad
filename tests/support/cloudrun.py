"""Cloud Run's Admin API, version 1, as far as a roll-out goes, with its state and its rules.

A change is accepted at once and done later: `generation` rises, and `status` speaks of it (`observedGeneration`) only
after some looks. Sources: Knative's serving API, and
https://cloud.google.com/run/docs/reference/rest/v1/namespaces.services
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support.front import front
from support.json_server import Answer, Asked, Json, as_json, serving

TOKEN = "google-token-for-tests"
SETTLE_LOOKS = 2


@dataclass
class CloudRunFake:
    """One project in one region."""

    project: str
    images: dict[str, str]
    """Address of the running server, by image; a revision of another image never gets ready."""
    services: dict[str, Json] = field(default_factory=dict)
    revisions: dict[str, Json] = field(default_factory=dict)
    """Templates by name."""
    log: list[str] = field(default_factory=list)
    public: str = ""
    url: str = ""
    busy: int = 0
    """How many of the next requests are answered with 503."""
    settle_looks: int = SETTLE_LOOKS
    """At which look after a change it is done."""
    _looks: int = 0

    @property
    def weights(self) -> dict[str, int]:
        """What the front door goes by: the traffic of the status."""
        traffic = next(iter(self.services.values()), {}).get("status", {}).get("traffic", [])
        return {one["revisionName"]: one["percent"] for one in traffic if one.get("percent") and "revisionName" in one}

    @property
    def addresses(self) -> Any:
        return _Addresses(self)

    def image_of(self, revision: str) -> str:
        return str(self.revisions[revision]["spec"]["containers"][0]["image"])

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return _refused(401, "Request had invalid authentication credentials.")
        if self.busy:
            self.busy -= 1
            return _refused(503, "The service is currently unavailable.")
        root = f"/apis/serving.knative.dev/v1/namespaces/{self.project}/services"
        name = asked.path.removeprefix(root).strip("/")
        if not asked.path.startswith(root):
            return _refused(404, f"no such path {asked.path}")
        if asked.method == "GET":
            return self._get(name)
        self.log.append(f"{asked.method} {name}")
        if asked.method == "POST" and not name:
            return self._put(asked.json["metadata"]["name"], asked.json, new=True)
        if asked.method == "PUT":
            return self._put(name, asked.json, new=False)
        return _refused(405, asked.method)

    def _get(self, name: str) -> Answer:
        if name not in self.services:
            return _refused(404, f"Resource '{name}' of kind 'SERVICE' does not exist.")
        if self._looks:
            self._looks -= 1
            if not self._looks:
                self._reconcile(self.services[name])
        return as_json(200, self.services[name])

    def _put(self, name: str, body: Json, *, new: bool) -> Answer:
        now = self.services.get(name)
        if (now is None) != new:
            return _refused(409 if new else 404, f"Resource '{name}' {'exists' if new else 'does not exist'}.")
        sent = body["metadata"].get("resourceVersion")
        if now and sent and sent != now["metadata"]["resourceVersion"]:
            return _refused(409, f"Conflict for resource '{name}': version '{sent}' was specified")
        if problem := self._problem(name, body["spec"]):
            return _refused(400, problem)
        generation = now["metadata"]["generation"] + 1 if now else 1
        made = copy.deepcopy(body)
        made["metadata"] |= {"generation": generation, "resourceVersion": f"v{generation}", "namespace": self.project}
        made["status"] = copy.deepcopy(now["status"]) if now else {}
        self.services[name] = made
        self._looks = self.settle_looks
        return as_json(200, made)

    def _problem(self, name: str, spec: Json) -> str:
        """What the API would refuse."""
        template, traffic = spec["template"], spec.get("traffic", [])
        made = template["metadata"]["name"]
        if not made.startswith(f"{name}-") or len(made) > 63:
            return f"spec.template.metadata.name: {made} must begin with {name}-"
        if self.revisions.get(made, template) != template:
            return f"Revision named '{made}' with different configuration already exists."
        if sum(one.get("percent", 0) for one in traffic) != 100:
            return "spec.traffic: must add up to 100"
        known = {*self.revisions, made}
        lost = [one for one in traffic if not one.get("latestRevision") and one.get("revisionName") not in known]
        return f"spec.traffic: unknown revision {lost}" if lost else ""

    def _reconcile(self, service: Json) -> None:
        spec, metadata = service["spec"], service["metadata"]
        made = spec["template"]["metadata"]["name"]
        self.revisions.setdefault(made, copy.deepcopy(spec["template"]))
        wanted = {one.get("revisionName", made) for one in spec["traffic"]} | {made}
        broken = [name for name in wanted if self.image_of(name) not in self.images]
        status = service["status"]
        status |= {"observedGeneration": metadata["generation"], "latestCreatedRevisionName": made, "url": self.public}
        ready: Json = {"type": "Ready", "status": "False" if broken else "True"}
        if broken:
            said = f"Revision '{broken[0]}' is not ready and cannot serve traffic. The container failed to start"
            ready |= {"reason": "HealthCheckContainerError", "message": said}
        status["conditions"] = [ready]
        served = {one.get("revisionName", made) for one in spec["traffic"]}
        if not served & {*broken}:
            status["traffic"] = [self._told(one, made) for one in spec["traffic"]]
        elif "traffic" not in status:  # nothing has ever been ready
            status["traffic"] = [{"latestRevision": True, "percent": 100}]

    def _told(self, one: Json, latest: str) -> Json:
        name = one.get("revisionName", latest)
        told = {"revisionName": name, "percent": one.get("percent", 0)}
        return told | ({"tag": one["tag"], "url": self.images[self.image_of(name)]} if "tag" in one else {})


class _Addresses(dict[str, str]):
    def __init__(self, fake: CloudRunFake) -> None:
        super().__init__()
        self._fake = fake

    def __getitem__(self, revision: str) -> str:
        return self._fake.images[self._fake.image_of(revision)]


def _refused(status: int, message: str) -> Answer:
    return as_json(status, {"error": {"code": status, "message": message, "status": "REFUSED"}})


@contextmanager
def cloudrun(project: str, images: dict[str, str], settle_looks: int = SETTLE_LOOKS) -> Iterator[CloudRunFake]:
    """The API and the front door of its one service, running."""
    fake = CloudRunFake(project, images, settle_looks=settle_looks)
    with front(lambda: fake.weights, fake.addresses) as fake.public, serving(fake.answer) as fake.url:
        yield fake
