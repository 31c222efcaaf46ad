"""W3C Trace Context: which trace of its caller's a request belongs to.

Source: W3C Recommendation *Trace Context*, 2021, section 3.2.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from eyas.serve.http.request import Request

PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Trace(NamedTuple):
    """The caller's part of a trace."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16, of the caller's span."""
    sampled: bool


def trace_of(request: Request) -> Trace | None:
    """What the header `traceparent` says; None without one, or where it is malformed."""
    found = PARENT.fullmatch(request.header("traceparent"))
    return Trace(found[1], found[2], bool(int(found[3], 16) & 1)) if found else None
