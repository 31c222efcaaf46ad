"""Cloud Run: revisions by name, a tag with an address of its own, percents.

The Admin API's version 1, which takes the Knative service as it lies in `service.yaml`:
https://cloud.google.com/run/docs/reference/rest/v1/namespaces.services
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from eyas.core.errors import ConfigError, ServingError
from eyas.deploy.shifting.api import Api, Json
from eyas.deploy.shifting.machine import STAGES, Revision, Share, scaled, taken

API = "https://{region}-run.googleapis.com"
TAG = "candidate"
REVISION_LENGTH = 63
"""Of a revision's name: the service's, a hyphen, and the suffix."""


class CloudRun:
    """A service of one project and region.

    Args:
        api: of the region.
        project: its id.
        wanted: the service as in `service.yaml`.
        suffix: of the new revision's name.

    Raises:
        ConfigError: `wanted` is no such service.
    """

    stages: Sequence[int] = STAGES

    def __init__(self, api: Api, project: str, wanted: Json, suffix: str) -> None:
        if wanted.get("kind") != "Service" or "template" not in wanted.get("spec", {}):
            raise ConfigError("service.yaml must be a Knative Service with spec.template")
        self._api, self._wanted = api, wanted
        self._name = str(wanted["metadata"]["name"])
        self._services = f"/apis/serving.knative.dev/v1/namespaces/{project}/services"
        self._path = f"{self._services}/{self._name}"
        self._revision = f"{self._name}-{suffix}"
        self._live: tuple[Share, ...] = ()
        self._tags: list[Json] = []  # of others, which are kept
        self._seen = ""  # the version of the service that `live` spoke of
        self._generation: object = None  # of its spec, then
        self._asked: list[dict[str, int]] = []  # the weights that this roll-out has asked for

    @property
    def changed(self) -> bool:
        """Whether it has asked for a change that was not refused."""
        return self._api.changed

    def live(self) -> tuple[Share, ...]:
        """By the status, which names revisions where the spec may say `latestRevision`."""
        found = self._api.get(self._path)
        if found is not None:
            self._seen = str(found["metadata"].get("resourceVersion", ""))
            self._generation = found["metadata"].get("generation")
            self._live = _shares(found.get("status", {}))
            self._tags = _tags(found.get("status", {}))
        return self._live

    def deploy(self) -> Revision:
        """Replace the template; the traffic stays with the revisions that have it.

        Who else has deployed since `live` is not overrun: the API refuses another version of the service than was seen.
        """
        body = copy.deepcopy(self._wanted)
        body["spec"]["template"].setdefault("metadata", {})["name"] = self._revision
        if not self._seen:
            body["spec"]["traffic"] = [{"latestRevision": True, "percent": 100}]
            self._api.send("POST", self._services, body)
            return Revision(self._revision, None)
        body["metadata"]["resourceVersion"] = self._seen
        if not self._live:  # the first one has failed: there is the service, and nothing that could keep the traffic
            body["spec"]["traffic"] = [{"latestRevision": True, "percent": 100}, *self._tags]
            self._api.send("PUT", self._path, body)
            return Revision(self._revision, None)
        body["spec"]["traffic"] = [*_traffic(self._live), *self._tags, self._candidate(0)]
        self._asked.append(_weights(body["spec"]["traffic"]))
        self._api.send("PUT", self._path, body)
        for one in self._settled().get("traffic", []):
            if one.get("tag") == TAG and one.get("revisionName") == self._revision and one.get("url"):
                return Revision(self._revision, str(one["url"]))
        raise ServingError(f"Cloud Run gave {self._revision} no address for the tag {TAG}")

    def shift(self, revision: Revision, percent: int) -> str:
        """The rest is dealt out as it was."""
        if self._live:
            if not self._is_ours(self._found()):
                raise taken(self._name)
            self._set_traffic([*_traffic(scaled(self._live, 100 - percent)), *self._tags, self._candidate(percent)])
        return str(self._settled()["url"])

    def put_back(self, live: Sequence[Share], revision: Revision | None) -> bool:
        """The tag goes, and with it the new revision's instances."""
        found = self._found()
        if self._generation is not None and found["metadata"].get("generation") == self._generation:
            return True  # what was asked for got no answer, and was not done
        if not self._is_ours(found):
            return False
        self._set_traffic([*_traffic(live), *self._tags])
        self._api.wait_for("the traffic of before", lambda: self._has(live))
        return True

    def retire(self, revision: Revision) -> None:
        """Nothing to do: what has neither traffic nor a tag runs no instance."""

    def _is_ours(self, found: Json) -> bool:
        return _weights(found["spec"].get("traffic", [])) in self._asked

    def _candidate(self, percent: int) -> Json:
        return {"revisionName": self._revision, "tag": TAG, "percent": percent}

    def _has(self, live: Sequence[Share]) -> bool | None:
        """Whether the status says so; a revision that failed may leave the service not ready for good."""
        found = self._found()
        return True if _observed(found) and set(_shares(found["status"])) == set(live) else None

    def _set_traffic(self, traffic: list[Json]) -> None:
        body = self._found()
        body["spec"]["traffic"] = traffic
        self._asked.append(_weights(traffic))
        del body["status"]
        self._api.send("PUT", self._path, body)

    def _found(self) -> Any:
        found = self._api.get(self._path)
        if found is None:
            raise ServingError(f"the service {self._name} has gone")
        return {**found, "status": found.get("status", {})}

    def _settled(self) -> Any:
        """The status once Cloud Run has done what the spec asks.

        Raises:
            ServingError: it says that it cannot.
        """
        return self._api.wait_for(f"the service {self._name}", self._ready)

    def _ready(self) -> Any:
        found = self._found()
        if not _observed(found):
            return None
        conditions = found["status"].get("conditions", [])
        ready: Json = next((one for one in conditions if one.get("type") == "Ready"), {})
        if ready.get("status") == "False":
            raise ServingError(f"Cloud Run says of {self._revision}: {ready.get('message') or ready.get('reason')}")
        return found["status"] if ready.get("status") == "True" else None


def suffix_room(wanted: Json) -> int:
    """How many characters the suffix of a revision of this service may have."""
    return REVISION_LENGTH - len(f"{wanted.get('metadata', {}).get('name', '')}-")


def _observed(found: Json) -> bool:
    """Whether the status speaks of the spec as it is now."""
    return bool(found["status"].get("observedGeneration") == found["metadata"].get("generation"))


def _shares(status: Json) -> tuple[Share, ...]:
    return tuple(Share(str(one["revisionName"]), int(one["percent"])) for one in _named(status) if one.get("percent"))


def _tags(status: Json) -> list[Json]:
    tagged = [one for one in _named(status) if one.get("tag") not in (None, TAG)]
    return [{"revisionName": one["revisionName"], "tag": one["tag"], "percent": 0} for one in tagged]


def _named(status: Json) -> list[Json]:
    """Without what goes to a latest revision that has never been ready: it has no name there."""
    return [one for one in status.get("traffic", []) if one.get("revisionName")]


def _traffic(shares: Sequence[Share]) -> list[Json]:
    return [{"revisionName": one.revision, "percent": one.percent} for one in shares if one.percent]


def _weights(traffic: Sequence[Json]) -> dict[str, int]:
    """Percents by revision, without what has none; the latest one has no name."""
    made: dict[str, int] = {}
    for one in traffic:
        if percent := int(one.get("percent") or 0):
            name = str(one.get("revisionName", ""))
            made[name] = made.get(name, 0) + percent
    return made
