"""Secrets, keys, tokens, and an issuer's server of keys."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SECRET = "a secret for tests, of more than 64 bytes, which is what HS512 would have of it"


def claims(**other: Any) -> dict[str, Any]:
    """Of a good token; a claim of None is left out."""
    now = int(time.time())
    good = {"iss": "eyas", "aud": "eyas", "sub": "ann", "scope": "predict", "iat": now, "exp": now + 7200}
    return {name: value for name, value in (good | other).items() if value is not None}


def token(secret: str | Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **other: Any) -> str:
    """A token with these claims in place of a good one's."""
    return jwt.encode(claims(**other), secret, algorithm, headers={"kid": kid} if kid else None)


def bearing(text: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {text}"}


def private_key(algorithm: str, number: int = 0) -> Any:
    """A key for RS256 or ES256; each number has its own."""
    return _made(algorithm, number)


@cache
def _made(algorithm: str, number: int) -> Any:
    if algorithm == "RS256":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def write_key(path: Path, key: Any) -> Path:
    """As PEM."""
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def entry(key: Any, algorithm: str, **other: Any) -> dict[str, Any]:
    """The key's public half, as in a JWK set."""
    described = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in (described | {"use": "sig"} | other).items() if name != "key_ops"}


class KeyServer(ThreadingHTTPServer):
    """Gives out whatever keys it has now."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: list[dict[str, Any]] = []
        self.raw: bytes | None = None
        """In place of the keys."""
        self.redirect = ""
        self.asked = 0
        self.go = Event()
        """Not set: it does not answer."""
        self.go.set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/jwks"


class _Handler(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.asked += 1
        self.server.go.wait(20)
        if self.server.redirect:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.end_headers()
            return
        body = self.server.raw if self.server.raw is not None else json.dumps({"keys": self.server.keys}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError):  # who asked has not waited
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """A server of keys on a port of its own."""
    with KeyServer() as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.go.set()
            server.shutdown()
            thread.join()
