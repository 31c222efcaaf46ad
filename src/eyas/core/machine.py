"""What this process may use of the machine."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUP, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# mallopt(3): no buffer gets a mapping of its own (M_MMAP_MAX), the heap's top is never given back (M_TRIM_THRESHOLD),
# and it grows by 64 MB at a time (M_TOP_PAD).
GLIBC_KEEPS = ((-4, 0), (-1, (1 << 31) - 1), (-2, 64 << 20))


def usable_cores(cgroup: Path = CGROUP, own: Path = OWN_GROUP) -> int:
    """Cores this process may use: the scheduler's affinity, cut by the CPU quotas of its control groups (v2, v1).

    Args:
        cgroup: where the groups are mounted.
        own: what names the process's own.

    Returns:
        At least 1. A quota of 1.5 cores counts as 1: a second busy thread would be throttled.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for group in _groups(cgroup, own) if (quota := _cpu_quota(group)) is not None]
    return max(1, min(cores, *map(int, quotas))) if quotas else cores


def _groups(cgroup: Path, own: Path) -> Iterator[Path]:
    """The group that the process is in, and those above it, as far as they can be seen from here."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        lines = []
    in_group = {controller: path for _, controllers, path in lines for controller in controllers.split(",")}
    for root, controller in ((cgroup, ""), (cgroup / "cpu", "cpu")):  # v2, v1
        path = PurePosixPath(in_group.get(controller, "/"))
        yield from (root / str(part).lstrip("/") for part in (path, *path.parents))


def _cpu_quota(group: Path) -> float | None:
    """A group's CPU quota in cores, or None where there is none."""
    try:
        limit, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if limit in ("max", "-1"):
        return None
    return int(limit) / int(period)


def keep_freed_memory() -> bool:
    """Have glibc keep the large buffers that are freed, for the next ones of their size.

    Otherwise it returns them to the kernel, and each training step pays again for the pages of its activations. What
    the process holds is then its peak, until it ends.

    Returns:
        Whether that is so now; False with another C library.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return all(libc.mallopt(option, value) == 1 for option, value in GLIBC_KEEPS)


def cpu_name() -> str:
    """The processor's model name, as the operating system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
