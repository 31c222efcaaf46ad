"""`eyas serve`: take the address, open the bundle, and hand both to the supervisor."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eyas.bundle import open_bundle
from eyas.core.errors import ServingError
from eyas.core.machine import usable_cores
from eyas.core.schema import ServeConfig
from eyas.serve.processes import Supervisor
from eyas.serve.rpc.port import check_port


def serve(bundle_path: Path, config: ServeConfig) -> None:
    """Serve a bundle until SIGTERM or Ctrl-C; returns once the requests at hand are answered.

    The port is taken first, so that a port in use is told at once, and listened on last, so that a client that
    gets through finds a model that has reproduced its golden answers.

    Raises:
        ServingError: the address cannot be listened on.
        MissingExtraError: gRPC is wanted, and its library is not there.
        BundleError: the bundle is damaged, or does not give its golden answers on this machine.
    """
    check_port(config)
    with _bound(config) as taken:
        bundle = open_bundle(bundle_path)
        url = f"http://{_shown(config.host)}:{config.port}"
        Supervisor([bundle], config, config.workers or usable_cores(), taken, url).run()


@contextmanager
def _bound(config: ServeConfig) -> Iterator[socket.socket]:
    """A socket that has the address but does not listen yet."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ServingError(f"serve.host must be an address of this machine, got {config.host}: {error}") from error
    with socket.socket(family, kind, protocol) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free again
        try:
            taken.bind(address)
        except OSError as error:
            raise _cannot_listen(config, error) from error
        yield taken


def _cannot_listen(config: ServeConfig, error: OSError) -> ServingError:
    where = f"port {config.port} on {config.host}"
    if error.errno == errno.EADDRINUSE:
        return ServingError(
            f"{where} is already in use; stop the program that has it, or take another: "
            f"serve.port={config.port + 1 if config.port < 65535 else 5000}"
        )
    if error.errno == errno.EACCES:
        return ServingError(f"{where} may not be taken by this user; ports from 1024 up may: serve.port=5000")
    return ServingError(f"cannot listen on {where}: {error.strerror or error}")


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
