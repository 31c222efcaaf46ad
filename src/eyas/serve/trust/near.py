"""What answers without authentication, and still not everybody: this machine alone, and no page from elsewhere.

A page of this very service may ask, where it was opened by an address that only this machine has: another page's origin
is another one, and a name that somebody makes point to this machine (DNS rebinding) is no such address.
"""

from __future__ import annotations

from eyas.core.schema.trust import is_loopback, is_loopback_address
from eyas.serve.http import Problem, Request
from eyas.serve.http.listening import host_name

PASSED_ON = ("x-forwarded-for", "forwarded", "via")


def require_near(request: Request) -> None:
    """Do nothing where the caller has said who they are, or is on this machine.

    Raises:
        Problem: 403.
    """
    if request.subject is not None:
        return
    if not is_loopback_address(request.address):
        raise Problem(403, "without authentication, this answers the machine alone that the service runs on")
    if any(request.header(name) for name in PASSED_ON):
        raise Problem(403, "without authentication, this does not answer what a proxy passes on")
    host = request.header("host")
    if not is_loopback(host_name(host)):
        raise Problem(403, f"without authentication, this is asked by an address of this machine, got {host[:80]}")
    origin = request.header("origin")
    if origin and origin.partition("://")[2].lower() != host.lower():
        raise Problem(403, f"without authentication, this does not answer web pages, and {origin[:80]} is one")
