"""Whether gRPC may listen where the configuration says: asked before workers are forked, so without gRPC's library."""

from __future__ import annotations

from importlib.util import find_spec

from eyas.core.errors import MissingExtraError, ServingError
from eyas.core.schema import ServeConfig
from eyas.core.schema.trust import is_loopback
from eyas.serve.http.listening import Names, bound

NAMES = Names("serve.host", "serve.grpc_port", "=", 8001)


def check_port(config: ServeConfig) -> None:
    """Do nothing where all is well, or gRPC is not wanted.

    Raises:
        MissingExtraError: its library is not installed.
        ServingError: `serve.host` is not this machine's alone, the port is taken, or tokens are asked for.
    """
    if config.grpc_port is None:
        return
    if find_spec("grpc") is None:
        raise MissingExtraError('grpc is not installed; serve.grpc_port needs it: pip install "eyas[grpc]"')
    if config.auth is not None:
        raise ServingError("serve.grpc_port asks nobody for a token: it cannot be had together with serve.auth")
    if not is_loopback(config.host):
        raise ServingError(
            f"serve.grpc_port has no guards: serve.host must be a loopback address with it, got {config.host}"
        )
    with bound(config.host, config.grpc_port, NAMES):
        pass
