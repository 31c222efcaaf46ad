"""`eyas serve`: take the address, open what is to be served, and hand both to the supervisor."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from eyas.bundle import Repository, is_repository
from eyas.core.errors import ConfigError, ServingError
from eyas.core.schema import ServeConfig
from eyas.core.schema.trust import is_loopback
from eyas.serve.alerts.receivers import check_addresses
from eyas.serve.logs import set_up
from eyas.serve.messages import Served, Table, Version
from eyas.serve.processes import Supervisor
from eyas.serve.rpc.port import check_port
from eyas.serve.trust import open_gate, open_trusted

WRITE_SECONDS = 5.0  # the supervisor does nothing else while it waits for another writer of the repository


def serve(path: Path, config: ServeConfig) -> None:
    """Serve a bundle or a repository until SIGTERM or Ctrl-C; returns once the requests at hand are answered.

    The port is taken first, so that a port in use is told at once, and listened on last, so that a client that
    gets through finds models that have reproduced their golden answers.

    Raises:
        ServingError: the address cannot be listened on, or lets other machines in while nobody is asked for a token;
            nothing in the repository can be served.
        ConfigError: a key does not fit what is served; the keys, certificates or files that `config` names are not fit.
        MissingExtraError: gRPC is wanted, and its library is not there.
        BundleError: the bundle is damaged, is not signed as `config` asks, or does not give its golden answers on this
            machine.
    """
    set_up(as_json=config.json_logs)
    check_port(config)
    if config.monitor:
        check_addresses(config.monitor)
    with ExitStack() as stack:
        listening = [stack.enter_context(_bound(config, port)) for port in _ports(config)]
        gate = open_gate(config)
        models = Repository(path, WRITE_SECONDS) if is_repository(path) else _one(path, config)
        url = f"{'https' if config.tls else 'http'}://{_shown(config.host)}:{config.port}"
        Supervisor(models, config, gate, listening, url).run()


def _ports(config: ServeConfig) -> list[int]:
    if config.admin_port is None:
        return [config.port]
    if not config.admin:
        raise ConfigError(f"serve.admin_port needs serve.admin=true, got {config.admin_port} without it")
    if config.admin_port == config.port:
        raise ConfigError(f"serve.admin_port must be another port than serve.port, got {config.port} for both")
    return [config.port, config.admin_port]


def _one(path: Path, config: ServeConfig) -> Table:
    """A bundle, as a table of one."""
    manifest = open_trusted(path, config.require_signature).manifest
    if config.admin:
        raise ConfigError(f"serve.admin=true is for a repository, whose models can change; {path} is a bundle")
    version = Version(manifest.name, manifest.version, str(path.absolute()))
    return (Served(manifest.name, manifest.version, (version,)),)


@contextmanager
def _bound(config: ServeConfig, port: int) -> Iterator[socket.socket]:
    """A socket that has the address but does not listen yet."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ServingError(f"serve.host must be an address of this machine, got {config.host}: {error}") from error
    if not (config.auth or config.open_to_network or is_loopback(str(address[0]))):
        raise _open_to_all(config)
    with socket.socket(family, kind, protocol) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free again
        try:
            taken.bind(address)
        except OSError as error:
            raise _cannot_listen(config, port, error) from error
        yield taken


def _open_to_all(config: ServeConfig) -> ServingError:
    return ServingError(
        f"serve.host={config.host} lets other machines in, and serve.auth asks nobody for a token. Ask for tokens: "
        "`eyas token --new-secret secret` makes a secret, and serve.auth.secret_file=secret uses it. Or let whoever "
        "reaches the port use the service: serve.open_to_network=true"
    )


def _cannot_listen(config: ServeConfig, port: int, error: OSError) -> ServingError:
    where = f"port {port} on {config.host}"
    if error.errno == errno.EADDRINUSE:
        return ServingError(
            f"{where} is already in use; stop the program that has it, or take another: "
            f"serve.{'admin_' * (port == config.admin_port)}port={port + 1 if port < 65535 else 5000}"
        )
    if error.errno == errno.EACCES:
        return ServingError(f"{where} may not be taken by this user; ports from 1024 up may: serve.port=5000")
    return ServingError(f"cannot listen on {where}: {error.strerror or error}")


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
