"""What the service can be asked, by protocol: each module gives its endpoints over one `Service`."""

from __future__ import annotations

from eyas.serve.endpoints import source, v2
from eyas.serve.http import Endpoint
from eyas.serve.service import Service


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """Every documented endpoint."""
    return (*source.endpoints(service), *v2.endpoints(service))


__all__ = ["endpoints"]
