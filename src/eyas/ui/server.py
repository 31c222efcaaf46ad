"""`eyas ui`: the page and what it asks, on one address."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from eyas.core.errors import ConfigError
from eyas.core.schema.trust import is_loopback
from eyas.serve.http import Application, Endpoint, Problem, Request
from eyas.serve.http.listening import Names, bound, host_name, in_url
from eyas.serve.http.proxies import Proxies
from eyas.serve.http.request import Limits
from eyas.serve.http.server import Server
from eyas.serve.page import page_endpoints
from eyas.serve.page.policy import HEADERS
from eyas.ui.endpoints import live_endpoints

FOLDER = Path(__file__).parent / "page"
NAMES = Names("--host", "--port", " ", 5050, any_free=True)
OUTSIDE = (
    "nobody is asked who they are: whoever reaches the port sees all runs. Say --open-to-network where that is meant"
)
EVERYWHERE = ("127.0.0.1", "0.0.0.0", "::")
"""Addresses that are listened on where `localhost` leads to."""
LIMITS = Limits(max_body=0, body_seconds=5.0)
HEADER_SECONDS = 10.0
STOP_SECONDS = 2.0
OWN = {"Cross-Origin-Resource-Policy": "same-origin"}
"""Pictures of runs are for no other page."""


def follow(root: Path, host: str, port: int, *, open_to_network: bool, tell: Callable[[str], None]) -> None:
    """Show the page until SIGTERM or Ctrl-C.

    Args:
        root: the folder of runs; it may be made later.
        host, port: to listen on; port 0: any that is free.
        open_to_network: whether other machines may ask.
        tell: called with the page's address once it is there.

    Raises:
        ConfigError: `root` is a file.
        ServingError: the address cannot be listened on, or lets other machines in without being told to.
    """
    if root.exists() and not root.is_dir():
        raise ConfigError(f"RUNS_DIR must be a folder, got the file {root}")
    with bound(host, port, NAMES, "" if open_to_network else OUTSIDE) as taken:
        asyncio.run(_serve(make_app(root, host), taken, lambda: tell(url_of(taken, host))))


def url_of(taken: socket.socket, host: str) -> str:
    """Where a browser of this machine finds the page.

    Args:
        taken: bound.
        host: the address or the name that it was asked for by.
    """
    address, port = taken.getsockname()[:2]
    if address in EVERYWHERE:
        host = "localhost"
    return f"http://{in_url(host)}:{port}"


def make_app(root: Path, host: str = "127.0.0.1") -> Application:
    """The page and its endpoints."""
    every = (*page_endpoints(FOLDER), *live_endpoints(root))
    return Application(every, LIMITS, (guard(host),), headers=HEADERS | OWN)


def guard(host: str) -> Callable[[Request, Endpoint], None]:
    """Refuse a name that somebody has made point here (DNS rebinding): its page could read what this one shows.

    Args:
        host: that is listened on. Where it is not this machine's own, addresses may be asked, and that name itself.
    """

    def check(request: Request, endpoint: Endpoint) -> None:
        named = host_name(request.header("host"))
        if is_loopback(named) or (not is_loopback(host) and (named == host.lower() or _is_address(named))):
            return
        raise Problem(
            403,
            f"the page must be asked by an address of this machine, got the name {named[:80]!r}; take the address that "
            "`eyas ui` tells, or start it with --host NAME --open-to-network",
        )

    return check


async def _serve(app: Application, taken: socket.socket, tell: Callable[[], None]) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    server = Server(app, HEADER_SECONDS, Proxies(()), _Alone())
    await server.start([taken])
    tell()
    await told.wait()
    await server.stop(STOP_SECONDS)


class _Alone:
    """All connections are this process's."""

    def opened(self) -> None:
        """One more."""

    def closed(self) -> None:
        """One less."""

    def crowded(self) -> bool:
        """Never: there is no other process."""
        return False


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdecimal()
