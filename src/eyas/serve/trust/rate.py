"""How often one caller may ask, counted over all workers: the generic cell rate algorithm in shared memory.

A caller's theoretical arrival time `tat` moves one interval on with each request; a request is let in where `tat`
then lies no more than `burst` intervals ahead of now (ITU-T I.371, the virtual scheduling form).
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import secrets
import struct
import tempfile
import weakref
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from time import monotonic

from eyas.core.schema import RateConfig
from eyas.serve.http import Endpoint, Problem, Request

BUCKETS = 4096
WAYS = 4  # callers in a bucket; the one that asked longest ago makes room for a fifth
BUCKET = struct.Struct("=" + "Qd" * WAYS)  # who (0: nobody), tat


class Rate:
    """The limit. Made before the workers are: they share its memory, and a lock that a dead worker lets go of.

    Args:
        clock: seconds, the same in every process of this machine.
    """

    def __init__(self, config: RateConfig, clock: Callable[[], float] = monotonic) -> None:
        self._interval = 1 / config.per_second
        self._ahead = config.burst * self._interval
        self._clock = clock
        self._secret = secrets.token_bytes(32)  # nobody can choose a name that falls in with another's
        self._memory = mmap.mmap(-1, BUCKETS * BUCKET.size)
        self._lock = tempfile.TemporaryFile()  # noqa: SIM115  (open for as long as the limit is there)
        weakref.finalize(self, self._lock.close)

    def wait(self, caller: str) -> float:
        """Let a caller in, and count it: 0.0; or the seconds until it would be let in."""
        digest = hashlib.blake2b(caller.encode(), digest_size=12, key=self._secret).digest()
        who = int.from_bytes(digest[:8]) or 1
        at = int.from_bytes(digest[8:]) % BUCKETS * BUCKET.size
        fcntl.lockf(self._lock, fcntl.LOCK_EX, 1, at)
        try:
            return self._count(who, at)
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, at)

    def _count(self, who: int, at: int) -> float:
        bucket = [*BUCKET.unpack_from(self._memory, at)]
        names, tats = bucket[::2], bucket[1::2]
        way = names.index(who) if who in names else tats.index(min(tats))
        now = self._clock()
        tat = max(tats[way], now) if names[way] == who else now
        excess = tat + self._interval - now - self._ahead
        if excess > 1e-9 * self._interval:  # rounding makes nobody wait
            return excess
        bucket[2 * way : 2 * way + 2] = who, tat + self._interval
        BUCKET.pack_into(self._memory, at, *bucket)
        return 0.0


class RateGuard:
    """Lets each caller ask so often at endpoints that ask for a scope: the rest is for probes, which never wait."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate

    def __call__(self, request: Request, endpoint: Endpoint) -> None:
        """The subject of the token, or the address where there is none, is counted.

        Raises:
            Problem: 429.
        """
        if endpoint.scope is None:
            return
        caller = f"subject {request.subject}" if request.subject is not None else f"from {_home(request.address)}"
        if wait := self._rate.wait(caller):
            seconds = max(1, ceil(wait))
            raise Problem(
                429,
                f"one caller's requests must come slower (serve.rate); try again in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )


@lru_cache(4096)
def _home(address: str) -> str:
    """An IPv6 address stands for its /64, all of which one subscriber has; any other for itself."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    known = getattr(known, "ipv4_mapped", None) or known
    return str(ip_network((known, 64), strict=False)) if isinstance(known, IPv6Address) else str(known)
