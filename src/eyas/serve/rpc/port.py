"""Whether gRPC may listen where the configuration says: asked before workers are forked, so without gRPC's library."""

from __future__ import annotations

from importlib.util import find_spec

from eyas.core.errors import MissingExtraError
from eyas.core.schema import ServeConfig
from eyas.serve.http.listening import Names, bound

NAMES = Names("serve.host", "serve.grpc_port", "=", 8001)


def check_port(config: ServeConfig, outside: str = "") -> None:
    """Do nothing where all is well, or gRPC is not wanted.

    Args:
        outside: as of `bound`.

    Raises:
        MissingExtraError: its library is not installed.
        ServingError: as of `bound`.
    """
    if config.grpc_port is None:
        return
    if find_spec("grpc") is None:
        raise MissingExtraError('grpc is not installed; serve.grpc_port needs it: pip install "eyas[grpc]"')
    with bound(config.host, config.grpc_port, NAMES, outside):
        pass
