"""`eyas serve`: take the address, open what is to be served, and hand both to the supervisor."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from eyas.bundle import Repository, is_repository
from eyas.core.errors import ConfigError
from eyas.core.schema import ServeConfig
from eyas.serve.alerts.receivers import check_addresses
from eyas.serve.http.listening import Names, bound, in_url
from eyas.serve.logs import set_up
from eyas.serve.messages import Served, Table, Version
from eyas.serve.processes import Supervisor
from eyas.serve.processes.optimiser import weights_folder
from eyas.serve.rpc.port import check_port
from eyas.serve.trust import open_gate, open_trusted

WRITE_SECONDS = 5.0  # the supervisor does nothing else while it waits for another writer of the repository
PUBLIC = Names("serve.host", "serve.port", "=", 5000)
ADMIN = Names("serve.host", "serve.admin_port", "=", 5001)
OUTSIDE = (
    "serve.auth asks nobody for a token. Ask for tokens: `eyas token --new-secret secret` makes a secret, and "
    "serve.auth.secret_file=secret uses it. Or let whoever reaches the port use the service: serve.open_to_network=true"
)


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
    if config.monitor:
        check_addresses(config.monitor)
    outside = "" if config.auth or config.open_to_network else OUTSIDE
    check_port(config, outside)
    with ExitStack() as stack:
        listening = [
            stack.enter_context(bound(config.host, port, names, outside)) for names, port in _ports(config).items()
        ]
        gate = open_gate(config)
        models = Repository(path, WRITE_SECONDS) if is_repository(path) else _one(path, config)
        url = f"{'https' if config.tls else 'http'}://{in_url(config.host)}:{config.port}"
        weights = stack.enter_context(weights_folder(config))
        Supervisor(models, config, gate, listening, url, weights).run()


def _ports(config: ServeConfig) -> dict[Names, int]:
    if config.admin_port is None:
        return {PUBLIC: config.port}
    if not config.admin:
        raise ConfigError(f"serve.admin_port needs serve.admin=true, got {config.admin_port} without it")
    if config.admin_port == config.port:
        raise ConfigError(f"serve.admin_port must be another port than serve.port, got {config.port} for both")
    return {PUBLIC: config.port, ADMIN: config.admin_port}


def _one(path: Path, config: ServeConfig) -> Table:
    """A bundle, as a table of one."""
    manifest = open_trusted(path, config.require_signature).manifest
    if config.admin:
        raise ConfigError(f"serve.admin=true is for a repository, whose models can change; {path} is a bundle")
    version = Version(manifest.name, manifest.version, str(path.absolute()))
    return (Served(manifest.name, manifest.version, (version,)),)
