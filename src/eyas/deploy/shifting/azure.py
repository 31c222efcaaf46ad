"""Azure Container Apps: revisions by suffix, each with an address of its own, weights.

https://learn.microsoft.com/rest/api/containerapps/container-apps
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from eyas.core.errors import ConfigError, ServingError
from eyas.deploy.shifting.api import Api, Json
from eyas.deploy.shifting.machine import STAGES, Revision, Share, scaled, taken

API = "https://management.azure.com"
VERSION = "2025-01-01"
RUNNING = ("Running", "RunningAtMaxScale")
LOST = ("Failed", "Degraded")
REVISION_LENGTH = 54
"""Of a revision's name: the app's, two hyphens, and the suffix."""


class ContainerApp:
    """An app of one resource group.

    Args:
        api: Azure's Resource Manager.
        subscription, group: that the app belongs to.
        wanted: the app as in `containerapp.yaml`.
        suffix: of the new revision's name.

    Raises:
        ConfigError: `wanted` is no such app.
    """

    stages: Sequence[int] = STAGES

    def __init__(self, api: Api, subscription: str, group: str, wanted: Json, suffix: str) -> None:
        properties = wanted.get("properties", {})
        if "template" not in properties or "ingress" not in properties.get("configuration", {}):
            raise ConfigError("containerapp.yaml must have properties.template and properties.configuration.ingress")
        self._api, self._wanted, self._suffix = api, wanted, suffix
        self._name = str(wanted["name"])
        self._path = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.App/containerApps"
        self._path += f"/{self._name}"
        self._live: tuple[Share, ...] = ()
        self._asked: list[dict[str, int]] = []  # weights: the first ones, and what this roll-out has asked for

    @property
    def changed(self) -> bool:
        """Whether it has asked for a change that was not refused."""
        return self._api.changed

    def live(self) -> tuple[Share, ...]:
        """`latestRevision` is resolved now: once there is a new one, it would speak of that.

        Where no revision has ever been ready, it speaks of none.
        """
        found = self._api.get(self._at())
        if found is not None:
            weights = _weights(found)
            self._live = tuple(Share(name, weight) for name, weight in weights.items() if name)
            self._asked.append(weights)
        return self._live

    def deploy(self) -> Revision:
        """Patch the template, and in the same request name who keeps the traffic."""
        body = copy.deepcopy(self._wanted)
        body["properties"]["template"]["revisionSuffix"] = self._suffix
        body["properties"]["configuration"]["activeRevisionsMode"] = "Multiple"
        name = f"{self._name}--{self._suffix}"
        if not self._live:
            self._api.send("PUT", self._at(), body)
            self._settled()
            self._runs(name)
            return Revision(name, None)
        body["properties"]["configuration"]["ingress"]["traffic"] = _traffic(self._live)
        wanted: Json = {name: body[name] for name in ("identity", "properties") if name in body}
        self._api.send("PATCH", self._at(), wanted)
        self._settled()
        return Revision(name, f"https://{self._runs(name)['fqdn']}")

    def shift(self, revision: Revision, percent: int) -> str:
        """The rest is dealt out as it was."""
        if self._live:
            if not self._is_ours(self._settled()):
                raise taken(self._name)
            self._set_traffic([*scaled(self._live, 100 - percent), Share(revision.name, percent)])
        return f"https://{_ingress(self._settled())['fqdn']}"

    def put_back(self, live: Sequence[Share], revision: Revision | None) -> bool:
        """The new revision is stopped, too, once the traffic is seen to be back."""
        app = self._api.wait_for(f"the app {self._name}", self._at_rest)  # Azure takes one change at a time
        if not self._is_ours(app):
            return False
        self._set_traffic(live)
        weights = _weights(self._settled())
        if weights != {one.revision: one.percent for one in live}:
            raise ServingError(f"Azure says that it is done, and the traffic of {self._name} is {weights}")
        name = f"{self._name}--{self._suffix}"
        if self._api.get(self._at(f"/revisions/{name}")) is not None:
            self._api.send("POST", self._at(f"/revisions/{name}/deactivate"))
        return True

    def retire(self, revision: Revision) -> None:
        """Stop older revisions without traffic, but the one that had most of it before: for a quick return."""
        keep = {max(self._live, key=lambda one: one.percent).revision if self._live else "", revision.name}
        keep |= {str(one.get("revisionName")) for one in _ingress(self._found()).get("traffic", [])}
        found: list[Json] = (self._api.get(self._at("/revisions")) or {}).get("value", [])
        made = next((one["properties"].get("createdTime", "") for one in found if one["name"] == revision.name), "")
        for one in found:
            properties = one["properties"]
            if one["name"] not in keep and properties.get("active") and properties.get("createdTime", "") < made:
                self._api.send("POST", self._at(f"/revisions/{one['name']}/deactivate"))

    def _is_ours(self, app: Json) -> bool:
        return _weights(app) in self._asked

    def _at(self, more: str = "") -> str:
        return f"{self._path}{more}?api-version={VERSION}"

    def _set_traffic(self, shares: Sequence[Share]) -> None:
        """A merge patch replaces the list as a whole."""
        ingress = {"traffic": _traffic(shares)}
        self._asked.append({one.revision: one.percent for one in shares if one.percent})
        self._api.send("PATCH", self._at(), {"properties": {"configuration": {"ingress": ingress}}})

    def _settled(self) -> Json:
        """The app, once Azure has done what was asked.

        Raises:
            ServingError: it says that it cannot.
        """
        return self._api.wait_for(f"the app {self._name}", self._provisioned)

    def _at_rest(self) -> Json | None:
        """The app, once nothing is being changed: it is done, or has failed.

        Raises:
            ServingError: it has gone.
        """
        found = self._found()
        return None if found["properties"].get("provisioningState") == "InProgress" else found

    def _provisioned(self) -> Json | None:
        found = self._found()
        state = found["properties"].get("provisioningState")
        if state in ("Failed", "Canceled"):
            raise ServingError(f"Azure says of the app {self._name}: {state}")
        return found if state == "Succeeded" else None

    def _found(self) -> Json:
        found = self._api.get(self._at())
        if found is None:
            raise ServingError(f"the app {self._name} has gone")
        return found

    def _runs(self, name: str) -> Json:
        """The properties of a revision, once it runs and is healthy."""
        return self._api.wait_for(f"the revision {name}", lambda: self._running(name))

    def _running(self, name: str) -> Json | None:
        found = self._api.get(self._at(f"/revisions/{name}"))
        if found is None:
            return None
        properties: Json = found["properties"]
        if properties.get("provisioningState") == "Failed" or properties.get("runningState") in LOST:
            why = properties.get("provisioningError") or properties.get("runningStateDetails")
            raise ServingError(f"Azure says of {name}: {why or properties.get('runningState') or 'Failed'}")
        ready = properties.get("runningState") in RUNNING and properties.get("healthState") == "Healthy"
        return properties if ready else None


def suffix_room(wanted: Json) -> int:
    """How many characters the suffix of a revision of this app may have."""
    return REVISION_LENGTH - len(f"{wanted.get('name', '')}--")


def _ingress(app: Json) -> Any:
    return app["properties"]["configuration"].get("ingress") or {}


def _weights(app: Json) -> dict[str, int]:
    """Percents by revision, without what has none; a latest one that has never been ready has no name."""
    latest = str(app["properties"].get("latestReadyRevisionName") or "")
    made: dict[str, int] = {}
    for one in _ingress(app).get("traffic") or [{"latestRevision": True, "weight": 100}]:
        if weight := int(one.get("weight") or 0):
            name = latest if one.get("latestRevision") else str(one["revisionName"])
            made[name] = made.get(name, 0) + weight
    return made


def _traffic(shares: Sequence[Share]) -> list[Json]:
    return [{"revisionName": one.revision, "weight": one.percent} for one in shares if one.percent]
