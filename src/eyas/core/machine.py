"""What this process may use of the machine."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
# mallopt(3): no buffer gets a mapping of its own (M_MMAP_MAX), the heap's top is never given back (M_TRIM_THRESHOLD),
# and it grows by 64 MB at a time (M_TOP_PAD).
GLIBC_KEEPS = ((-4, 0), (-1, (1 << 31) - 1), (-2, 64 << 20))


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Cores this process may use: the scheduler's affinity, cut by the container's CPU quota (cgroup v2, v1).

    Returns:
        At least 1. A quota of 1.5 cores counts as 1: a second busy thread would be throttled.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota(cgroup)
    return max(1, min(cores, int(quota) if quota is not None else cores))


def _cpu_quota(cgroup: Path) -> float | None:
    """The CPU quota in cores, or None where there is none."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
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
