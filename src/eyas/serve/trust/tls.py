"""The server's certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from eyas.core.errors import ConfigError
from eyas.core.schema import TlsConfig


def server_context(config: TlsConfig) -> ssl.SSLContext:
    """For a listening socket: TLS 1.2 or newer, HTTP/1.1 within.

    Raises:
        ConfigError: a file cannot be read, or the key is not the certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for name, path in (("certificate", config.certificate), ("key", config.key)):
        try:
            open(path, "rb").close()  # noqa: PTH123  (OpenSSL's own message does not name the file)
        except OSError as error:
            raise ConfigError(f"cannot read serve.tls.{name}={path}: {error.strerror}") from error
    try:
        context.load_cert_chain(config.certificate, config.key, password="")  # never asks at the terminal
    except ssl.SSLError as error:
        raise ConfigError(
            f"serve.tls must be a certificate and its own key, in PEM and not encrypted, got {config.certificate} and "
            f"{config.key}: {error.reason or error}"
        ) from error
    return context


def read_pem(config: TlsConfig) -> tuple[bytes, bytes]:
    """The key and the certificate as they are in their files, of which `server_context` has made sure."""
    return Path(config.key).read_bytes(), Path(config.certificate).read_bytes()
