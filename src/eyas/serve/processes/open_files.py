"""How many files, and so connections, a process may have open."""

from __future__ import annotations

import logging
import resource

log = logging.getLogger("eyas.serve")


def require_files(count: int) -> None:
    """Raise this process's limit to `count` where it is lower; where the system does not allow as many, say so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < count:
        log.warning("serve.max_connections needs %d open files, and the system allows %d (ulimit -n)", count, most)
