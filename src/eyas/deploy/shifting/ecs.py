"""ECS: a task definition that the service changes to by rolling its tasks over, all at once as ECS sees it.

ECS gives a new task definition no address of its own, so that it is tested once it has the traffic, and the old one is
put back where it fails. boto3 is not part of eyas's lock: it comes with the extra [aws].
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from eyas.core.errors import ConfigError, ServiceError, ServingError, needs_extra
from eyas.deploy.release import Image, parse_image
from eyas.deploy.rendering.clouds import ecr_of
from eyas.deploy.shifting.api import Json
from eyas.deploy.shifting.machine import Revision, Share

CONTAINER = "serve"
WAITING, ROLLING, STABLE = "waiting", "rolling", "stable"


@dataclass(frozen=True)
class Aws:
    """boto3's clients for one region."""

    ecs: Any
    ecr: Callable[[str], Any]
    """By region: an image may lie in another one than the service."""


def open_session(region: str | None = None) -> Any:
    """boto3's, in a region: the one named, AWS_REGION's, or that of AWS's own settings. boto3 itself reads
    AWS_DEFAULT_REGION alone, where every other SDK, the workflows and this module's words say AWS_REGION.

    Raises:
        MissingExtraError: boto3 is not installed.
    """
    with needs_extra("aws"):
        import boto3

    return boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None)


def connect(region: str | None = None) -> Aws:
    """Clients by the environment's credentials, region and AWS_ENDPOINT_URL.

    Raises:
        MissingExtraError: boto3 is not installed.
        ConfigError: no region.
    """
    with _refusals():
        session = open_session(region)
        return Aws(session.client("ecs"), lambda where: session.client("ecr", region_name=where))


class EcsService:
    """A service of one cluster.

    Args:
        aws: the clients.
        cluster, service: where to deploy.
        wanted: as in `task-definition.json`. Its image must be there where it is ECR's, and is pinned by its digest.
        url: where the service is reached.
        poll_seconds: between two looks.
        patience: seconds until a service that is not stable is a failure.

    Raises:
        ConfigError: `wanted` is no task definition with the container `serve`.
    """

    stages: Sequence[int] = (100,)

    def __init__(
        self,
        aws: Aws,
        cluster: str,
        service: str,
        wanted: Json,
        url: str,
        *,
        poll_seconds: float = 5.0,
        patience: float = 900.0,
    ) -> None:
        images = {one.get("name"): one.get("image", "") for one in wanted.get("containerDefinitions", ())}
        if CONTAINER not in images:
            raise ConfigError(f"task-definition.json must have a container {CONTAINER}, has {[*images] or 'none'}")
        self._aws, self._cluster, self._service, self._wanted = aws, cluster, service, wanted
        self._image, self._url = parse_image(images[CONTAINER]), url
        self._poll_seconds, self._patience = poll_seconds, patience
        self.changed = False

    def live(self) -> tuple[Share, ...]:
        """The service's task definition."""
        return (Share(str(self._found()["taskDefinition"]), 100),)

    def deploy(self) -> Revision:
        """Register the task definition."""
        image = pinned(self._aws, self._image)
        containers = [
            {**one, "image": str(image)} if one["name"] == CONTAINER else one
            for one in self._wanted["containerDefinitions"]
        ]
        with _refusals():
            made = self._aws.ecs.register_task_definition(**self._wanted | {"containerDefinitions": containers})
        return Revision(str(made["taskDefinition"]["taskDefinitionArn"]), None)

    def shift(self, revision: Revision, percent: int) -> str:
        """All of it; returns once the service is stable."""
        self._change_to(revision.name)
        return self._url

    def put_back(self, live: Sequence[Share], revision: Revision | None) -> bool:
        """The old task definition."""
        ours = {live[0].revision, revision.name if revision else ""}
        if self._found()["taskDefinition"] not in ours:
            return False
        self._change_to(live[0].revision)
        return True

    def retire(self, revision: Revision) -> None:
        """Nothing to do: the tasks of the old one have ended."""

    def _change_to(self, definition: str) -> None:
        self.changed = True
        with _refusals():
            self._aws.ecs.update_service(cluster=self._cluster, service=self._service, taskDefinition=definition)
        deadline, seen = monotonic() + self._patience, False
        while (state := self._state(definition, seen=seen)) != STABLE:
            seen = seen or state == ROLLING
            if monotonic() > deadline:
                raise ServingError(f"the service {self._service} was not stable within {self._patience:g} s")
            sleep(self._poll_seconds)

    def _state(self, definition: str, *, seen: bool) -> str:
        """How far ECS is with it.

        Args:
            seen: it has been the newest deployment before.

        Raises:
            ServingError: ECS has given up, or has gone back to another task definition by itself.
        """
        deployments = self._found()["deployments"]
        primary: Json = next((one for one in deployments if one["status"] == "PRIMARY"), {})
        if primary.get("taskDefinition") != definition:
            if seen:
                raise ServingError(f"ECS itself has gone back from {definition}: its tasks did not stay up")
            return WAITING
        if primary.get("rolloutState") == "FAILED":
            raise ServingError(f"ECS says of {definition}: {primary.get('rolloutStateReason') or 'FAILED'}")
        over = primary.get("rolloutState", "COMPLETED") == "COMPLETED" and len(deployments) == 1
        return STABLE if over and primary["runningCount"] == primary["desiredCount"] else ROLLING

    def _found(self) -> Json:
        with _refusals():
            answer = self._aws.ecs.describe_services(cluster=self._cluster, services=[self._service])
        active: list[Json] = [one for one in answer["services"] if one["status"] == "ACTIVE"]
        if not active:
            raise ServingError(
                f"there is no service {self._service} in the cluster {self._cluster}; make it first: "
                "aws ecs create-service --cli-input-json file://service-parameters.json"
            )
        return active[0]


def pinned(aws: Aws, image: Image) -> Image:
    """The image by its digest, where it lies in ECR; else as it is.

    Raises:
        ServingError: ECR does not have it.
    """
    registry = ecr_of(image)
    if registry is None:
        return image
    name = {"imageDigest": image.digest} if image.digest else {"imageTag": image.tag}
    repository = image.repository.partition("/")[2]
    with _refusals():
        client = aws.ecr(registry["region"])
        try:
            found = client.describe_images(registryId=registry["account"], repositoryName=repository, imageIds=[name])[
                "imageDetails"
            ]
        except (client.exceptions.ImageNotFoundException, client.exceptions.RepositoryNotFoundException) as error:
            raise ServingError(f"ECR does not have the image {image}; push it first") from error
    return Image(image.repository, digest=str(found[0]["imageDigest"]))


@contextmanager
def _refusals() -> Iterator[None]:
    """botocore's errors as ours; they hold no credentials."""
    with needs_extra("aws"):
        import boto3  # noqa: F401  (whose absence is told of, not that of its part)
        from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

    try:
        yield
    except NoRegionError as error:
        raise ConfigError("AWS needs a region: --region, or AWS_REGION in the environment") from error
    except ClientError as error:
        said = error.response.get("Error", {})
        raise ServiceError(f"AWS refused {error.operation_name}: {said.get('Code')}: {said.get('Message')}") from error
    except BotoCoreError as error:
        raise ServiceError(f"AWS cannot be asked: {error}") from error
