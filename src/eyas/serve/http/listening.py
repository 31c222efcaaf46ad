"""An address to listen on, and the name that a client has asked it by."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from eyas.core.errors import ServingError
from eyas.core.schema.trust import is_loopback


@dataclass(frozen=True)
class Names:
    """What the settings of an address are called, for errors."""

    host: str
    port: str
    sign: str
    """Between a name and its value."""
    usual: int
    """A port that most users may take."""
    any_free: bool = False
    """Whether port 0 stands for any that is free."""


def bound(host: str, port: int, names: Names, outside: str = "") -> socket.socket:
    """A socket that has the address but does not listen yet.

    Args:
        outside: why other machines must not be let in, and what lets them in; empty: they may come.

    Raises:
        ServingError: the address cannot be had, or lets other machines in.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise ServingError(f"{names.host} must be an address of this machine, got {host}: {error}") from error
    family, kind, protocol, _, address = found
    if outside and not is_loopback(str(address[0])):
        raise ServingError(f"{names.host}{names.sign}{host} lets other machines in, and {outside}")
    taken = socket.socket(family, kind, protocol)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free again
        taken.bind(address)
    except OSError as error:
        taken.close()
        raise ServingError(_why_not(f"port {port} on {host}", port, names, error)) from error
    return taken


def in_url(host: str) -> str:
    """As it stands in a URL, before the port."""
    return f"[{host}]" if ":" in host else host


def host_name(header: str) -> str:
    """Of the header Host, without its port; empty where it is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _why_not(where: str, port: int, names: Names, error: OSError) -> str:
    option = f"{names.port}{names.sign}"
    if error.errno == errno.EADDRINUSE:
        free = f", or {option}0 for any that is free" if names.any_free else ""
        other = port + 1 if port < 65535 else names.usual
        return f"{where} is already in use; stop the program that has it, or take another: {option}{other}{free}"
    if error.errno == errno.EACCES:
        return f"{where} may not be taken by this user; ports from 1024 up may: {option}{names.usual}"
    return f"cannot listen on {where}: {error.strerror or error}"
