"""Azure's Resource Manager, as far as a roll-out of Container Apps goes, with its state and its rules.

A change is answered with 202 and done later: `provisioningState` is InProgress for some looks. Sources:
https://learn.microsoft.com/rest/api/containerapps/container-apps and …/container-apps-revisions
"""

from __future__ import annotations

import copy
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.front import front
from support.json_server import Answer, Asked, Json, as_json, serving

TOKEN = "azure-token-for-tests"
SETTLE_LOOKS = 2


@dataclass
class ContainerAppFake:
    """One app of one resource group."""

    path: str
    images: dict[str, str]
    """Address over TLS of the running server, by image; a revision of another image fails."""
    plain: dict[str, str]
    """Of the same servers, without TLS, by host and port."""
    app: Json | None = None
    revisions: dict[str, Json] = field(default_factory=dict)
    """Properties by name."""
    log: list[str] = field(default_factory=list)
    public: str = ""
    url: str = ""
    lost: list[str] = field(default_factory=list)
    """How each of the next patches ends, without anything done."""
    _looks: int = 0
    _end: str = "Succeeded"

    @property
    def weights(self) -> dict[str, int]:
        """What the front door goes by."""
        if self.app is None or "latestReadyRevisionName" not in self.app["properties"]:
            return {}
        latest = self.app["properties"]["latestReadyRevisionName"]
        traffic = self.app["properties"]["configuration"]["ingress"].get("traffic") or _ALL_LATEST
        return {latest if one.get("latestRevision") else one["revisionName"]: one.get("weight", 0) for one in traffic}

    @property
    def addresses(self) -> Any:
        return _Addresses(self)

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return _refused(401, "AuthenticationFailed", "Authentication failed.")
        parts = urlsplit(asked.path)
        if not parse_qs(parts.query).get("api-version"):
            return _refused(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        if not parts.path.startswith(self.path):
            return _refused(404, "ResourceNotFound", f"no such resource {parts.path}")
        rest = parts.path.removeprefix(self.path).strip("/").split("/")
        if asked.method != "GET":
            self.log.append(f"{asked.method} {'/'.join(rest)}".strip())
        if rest == [""]:
            return self._of_app(asked)
        if rest == ["revisions"]:
            found = [{"name": name, "properties": one} for name, one in self.revisions.items()]
            return as_json(200, {"value": found})
        return self._of_revision(rest[1], rest[2:], asked.method)

    def _of_app(self, asked: Asked) -> Answer:
        if asked.method == "GET":
            if self.app is None:
                return _refused(404, "ResourceNotFound", "The app was not found.")
            self._turn()
            return as_json(200, self.app)
        if self._looks:
            return _refused(409, "ContainerAppOperationInProgress", "Another operation is in progress.")
        if asked.method == "PATCH" and self.app is None:
            return _refused(404, "ResourceNotFound", "The app was not found.")
        made = merged(self.app or {}, asked.json) if asked.method == "PATCH" else copy.deepcopy(asked.json)
        if problem := self._problem(made):
            return _refused(400, "InvalidRequestParameterWithDetails", problem)
        self._end = "Succeeded"
        if self.lost and asked.method == "PATCH":
            made, self._end = copy.deepcopy(self.app or {}), self.lost.pop(0)
        made["properties"]["provisioningState"] = "InProgress"
        self.app, self._looks = made, SETTLE_LOOKS
        return as_json(202 if asked.method == "PATCH" else 201, made)

    def _problem(self, app: Json) -> str:
        configuration = app["properties"]["configuration"]
        traffic = configuration["ingress"].get("traffic") or _ALL_LATEST
        if sum(one.get("weight", 0) for one in traffic) != 100:
            return "The sum of the traffic weights must be 100."
        if configuration["activeRevisionsMode"] == "Single" and len(traffic) > 1:
            return "Traffic splitting needs multiple revisions."
        names = [one["revisionName"] for one in traffic if not one.get("latestRevision")]
        lost = [name for name in names if not self.revisions.get(name, {}).get("active")]
        return f"Revision {lost[0]} is not found or not active." if lost else ""

    def _turn(self) -> None:
        if not self._looks:
            return
        self._looks -= 1
        if self._looks:
            return
        assert self.app is not None
        properties = self.app["properties"]
        template = properties["template"]
        name = f"{self.app['name']}--{template['revisionSuffix']}"
        assert len(name) <= 54, name
        if name not in self.revisions:
            self._begin(name, copy.deepcopy(template))
        works = self.revisions[name]["healthState"] == "Healthy"
        properties |= {"provisioningState": self._end, "latestRevisionName": name}
        if works:
            properties["latestReadyRevisionName"] = name
        properties["configuration"]["ingress"]["fqdn"] = self.public.removeprefix("https://")

    def _begin(self, name: str, template: Json) -> None:
        image = template["containers"][0]["image"]
        works = image in self.images
        self.revisions[name] = {
            "active": True,
            "createdTime": f"2026-03-04T10:{len(self.revisions):02}:00+00:00",
            "template": template,
            "fqdn": self.images.get(image, "").removeprefix("https://"),
            "provisioningState": "Provisioned",
            "healthState": "Healthy" if works else "Unhealthy",
            "runningState": "Running" if works else "Failed",
            "runningStateDetails": "" if works else "Deployment Progress Deadline Exceeded. 0/1 replicas ready.",
        }

    def _of_revision(self, name: str, verb: list[str], method: str) -> Answer:
        if name not in self.revisions:
            return _refused(404, "RevisionNotFound", f"Revision {name} was not found.")
        if method == "POST" and verb == ["deactivate"]:
            if self.weights.get(name):
                return _refused(400, "RevisionHasTraffic", f"Revision {name} has traffic.")
            self.revisions[name] |= {"active": False, "runningState": "Stopped"}
            return as_json(200, {})
        return as_json(200, {"name": name, "properties": self.revisions[name]})


class _Addresses(dict[str, str]):
    def __init__(self, fake: ContainerAppFake) -> None:
        super().__init__()
        self._fake = fake

    def __getitem__(self, revision: str) -> str:
        return self._fake.plain[self._fake.revisions[revision]["fqdn"]]


_ALL_LATEST: list[Json] = [{"latestRevision": True, "weight": 100}]


def merged(target: Json, patch: Json) -> Json:
    """RFC 7396: objects are merged, lists replaced, null removes."""
    made = copy.deepcopy(target)
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, dict):
            made[name] = merged(made.get(name) if isinstance(made.get(name), dict) else {}, value)  # type: ignore[arg-type]
        else:
            made[name] = value
    return made


def _refused(status: int, code: str, message: str) -> Answer:
    return as_json(status, {"error": {"code": code, "message": message}})


@contextmanager
def container_apps(path: str, images: dict[str, str], tls: ssl.SSLContext) -> Iterator[ContainerAppFake]:
    """The API, and over TLS the addresses of its one app and of the revisions, running.

    Args:
        images: address of the running server, without TLS, by image.
    """
    with ExitStack() as stack:
        secure = {
            image: stack.enter_context(front(lambda: {"it": 100}, {"it": url}, tls)) for image, url in images.items()
        }
        plain = {secure[image].removeprefix("https://"): url for image, url in images.items()}
        fake = ContainerAppFake(path, secure, plain)
        fake.public = stack.enter_context(front(lambda: fake.weights, fake.addresses, tls))
        fake.url = stack.enter_context(serving(fake.answer))
        yield fake
