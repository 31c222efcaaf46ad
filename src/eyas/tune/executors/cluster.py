"""A Ray cluster by its address, within bounds: Ray itself would wait minutes for one that is not there."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eyas.core.errors import ConfigError, TrainingError, needs_extra

AUTO = "auto"
CLIENT = "ray://"
REACH_SECONDS = 5.0
LOCAL_CLUSTER = "ray_current_cluster"


def connect(address: str) -> None:
    """Join the cluster, where this process is in none yet.

    Args:
        address: `auto` for the one that runs on this machine, `HOST:PORT`, or `ray://HOST:PORT` from outside of it.

    Raises:
        ConfigError: no address.
        MissingExtraError: Ray is not installed.
        TrainingError: no cluster answers there.
    """
    with needs_extra("ray"):
        import ray
    if ray.is_initialized():
        return
    _reach(address)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, SystemExit) as error:  # it leaves the process where the cluster is silent
        raise TrainingError(_silent(address, str(error).splitlines()[0] if str(error) else "no answer")) from None


def places(threads: int, *, gpu: bool) -> int:
    """How many trials have room in the cluster at once.

    Args:
        threads: CPUs of each.
        gpu: whether each has a GPU.

    Raises:
        ConfigError: no node is large enough for one.
    """
    nodes = [one["Resources"] for one in _nodes()]
    found = sum(_on(node, threads, gpu) for node in nodes)
    if not found:
        largest = max((int(node.get("CPU", 0)) for node in nodes), default=0)
        raise ConfigError(f"train.threads must be at most the CPUs of a node, {largest} in this cluster, got {threads}")
    return found


def has_gpus() -> bool:
    """Whether any node has one."""
    return any(one["Resources"].get("GPU", 0) for one in _nodes())


def _on(resources: Mapping[str, float], threads: int, gpu: bool) -> int:
    room = int(resources.get("CPU", 0)) // threads
    return min(room, int(resources.get("GPU", 0))) if gpu else room


def _nodes() -> list[dict[str, Any]]:
    import ray

    found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [one for one in found if one["Alive"]]


def _reach(address: str) -> None:
    """Open a connection to the cluster's port and close it again."""
    found = _local() if address == AUTO else address.removeprefix(CLIENT)
    if found is None:
        raise TrainingError(_silent(address, "none runs on this machine"))
    host, _, port = found.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"--ray must be auto, HOST:PORT or ray://HOST:PORT, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise TrainingError(_silent(address, str(error))) from None


def _local() -> str | None:
    """Where Ray itself looks for `auto`."""
    file = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / LOCAL_CLUSTER
    known = os.environ.get("RAY_ADDRESS") or (file.read_text().strip() if file.exists() else None)
    return known.removeprefix(CLIENT) if known else None


def _silent(address: str, why: str) -> str:
    return f"no Ray cluster answers at {address} ({why}); start one with: ray start --head"
