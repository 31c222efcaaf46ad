"""Whose word on a client's address is taken: X-Forwarded-For, as far as it was written by proxies that are known."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


class Proxies:
    """The known proxies.

    Args:
        networks: by address or network.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(one) for one in networks]
        self._known = lru_cache(1024)(self._is_known)

    def client(self, peer: str, headers: dict[bytes, bytes]) -> str:
        """The address of the client: the last one that none of the known proxies has.

        Args:
            peer: who sent the request here.
            headers: of the request, names in lower case.
        """
        if not self._networks or not self._known(peer):
            return peer
        for told in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            address = _without_port(told.strip())
            if not address:
                return peer
            if not self._known(address):
                return address
            peer = address
        return peer

    def _is_known(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def _without_port(told: str) -> str:
    """Of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`: the address."""
    if told.startswith("["):
        return told[1:].partition("]")[0]
    return told.partition(":")[0] if told.count(":") == 1 else told


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
