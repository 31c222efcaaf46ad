"""moto's AWS, with the one part of ECS that it lacks: the scheduler that replaces a service's tasks.

moto keeps what a service is to run, and never runs it. Here a thread does as ECS says that it does: a change of the
task definition makes a new PRIMARY deployment, whose tasks start, and then the old one goes; tasks of an image that
does not start let the circuit breaker fail the deployment.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

ACCOUNT, REGION = "123456789012", "eu-west-1"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
TICK_SECONDS = 0.05


@dataclass
class MotoAws:
    """A running moto."""

    url: str
    broken: set[str] = field(default_factory=set)
    """Images whose tasks do not stay up."""
    history: list[str] = field(default_factory=list)
    """Task definitions that services had running, in order."""

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that is to use it."""
        return ENVIRONMENT | {"AWS_ENDPOINT_URL": self.url}

    def client(self, service: str) -> Any:
        """boto3's."""
        import boto3

        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, **keys)


@contextmanager
def moto_aws() -> Iterator[MotoAws]:
    """A fresh account; it needs the tools of `make deploy-check`."""
    from moto.ecs.models import ecs_backends
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    over = threading.Event()
    try:
        host, port = server.get_host_and_port()
        aws = MotoAws(f"http://{host}:{port}")
        backend = ecs_backends[ACCOUNT][REGION]
        thread = threading.Thread(target=_schedule, args=(backend, aws, over))
        thread.start()
        yield aws
    finally:
        over.set()
        thread.join()
        server.stop()
        ecs_backends.reset()


def _schedule(backend: Any, aws: MotoAws, over: threading.Event) -> None:
    while not over.wait(TICK_SECONDS):
        for service in [*backend.services.values()]:
            _turn(backend, service, aws)


def _turn(backend: Any, service: Any, aws: MotoAws) -> None:
    """One step of one service towards what it is to run."""
    wanted, primary = service.task_definition, service.deployments[0]
    if primary["taskDefinition"] != wanted:
        new = primary | {"taskDefinition": wanted, "rolloutState": "IN_PROGRESS", "runningCount": 0}
        service.deployments = [new, primary | {"status": "ACTIVE"}]
    elif not _starts(backend, wanted, aws):
        before = service.deployments[-1]["taskDefinition"]
        if primary.get("rolloutState") == "IN_PROGRESS":
            said = "ECS deployment circuit breaker: tasks failed to start."
            service.deployments = [primary | {"rolloutState": "FAILED", "rolloutStateReason": said}]
            aws.history.append(f"failed {wanted}, was {before}")
    elif primary.get("rolloutState") != "COMPLETED" or primary["runningCount"] != service.desired_count:
        service.deployments = [primary | {"rolloutState": "COMPLETED", "runningCount": service.desired_count}]
        service.running_count, service.pending_count = service.desired_count, 0
        aws.history.append(wanted)


def _starts(backend: Any, definition: str, aws: MotoAws) -> bool:
    found = backend.describe_task_definition(definition)
    return not any(one["image"] in aws.broken for one in found.container_definitions)
