"""What a token's signature is checked with: a shared secret, or an issuer's public keys, which change."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import jwt

from eyas.core.errors import ConfigError, needs_extra
from eyas.core.schema import AuthConfig
from eyas.core.schema.trust import SECRET_BYTES
from eyas.serve.trust.fetch import MAX_BYTES, fetch

SECRET_VARIABLE = "EYAS_AUTH_SECRET"
RSA_BITS = 2048  # RFC 7518, 3.3
RETRY_SECONDS = 10.0  # between two fetches, at least: tokens with keys made up must not make a flood of them
REFRESH_SECONDS = 300.0  # then the keys are fetched again, beside the requests
KINDS = {"RS256": {"kty": "RSA"}, "ES256": {"kty": "EC", "crv": "P-256"}}
log = logging.getLogger("eyas.serve")


class Keys(Protocol):
    """Used from one event loop."""

    def find(self, kid: str | None) -> Any:
        """The key of that name, or the only one for a token that names none; None where there is none such."""

    def renewal(self) -> asyncio.Future[None] | None:
        """A look for new keys, begun now where none is under way; None where there was one only just now."""


def open_keys(config: AuthConfig) -> Keys:
    """The keys that the configuration names.

    Raises:
        ConfigError: they cannot be read, or are not fit for the algorithm.
        MissingExtraError: the algorithm needs a library that is not installed.
    """
    if config.jwks is None:
        return Secret(read_secret(config))
    with needs_extra("jwks"):
        import cryptography  # noqa: F401
    return KeySet(config.jwks, config.algorithm, config.jwks_grace_seconds)


def read_secret(config: AuthConfig) -> bytes:
    """The shared secret; what it is goes into no message.

    Raises:
        ConfigError: there is none, or it is too short.
    """
    if config.secret_file is None:
        place, secret = SECRET_VARIABLE, os.environ.get(SECRET_VARIABLE, "").encode(errors="surrogateescape").strip()
        if not secret:
            raise ConfigError(
                "serve.auth needs a secret: a file (serve.auth.secret_file=FILE; `eyas token --new-secret FILE` makes "
                f"one), or {SECRET_VARIABLE} in the environment"
            )
    else:
        place = f"serve.auth.secret_file={config.secret_file}"
        try:
            secret = Path(config.secret_file).read_bytes().strip()
        except OSError as error:
            raise ConfigError(f"cannot read {place}: {error.strerror}") from error
    if len(secret) < SECRET_BYTES:
        raise ConfigError(f"{place} must hold at least {SECRET_BYTES} bytes, got {len(secret)}")
    try:
        jwt.encode({}, secret, "HS256")
    except jwt.InvalidKeyError:
        raise ConfigError(f"{place} must hold a secret, got a public or private key, which is none") from None
    return secret


class Secret:
    """One key, which stays."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def find(self, kid: str | None) -> Any:
        """Always the secret."""
        return self._secret

    def renewal(self) -> asyncio.Future[None] | None:
        """There is nothing to look for."""
        return None


@dataclass(frozen=True)
class _Held:
    key: Any
    until: float = inf
    """On the monotonic clock: it has left the set, and is held until then."""


class KeySet:
    """An issuer's JWK set, in a file or behind a URL.

    It is read when it is made, then by and by, and whenever a token names a key that it lacks. Where it cannot be
    read again, the keys of before stay.

    Args:
        place: a path or URL.
        algorithm: RS256 or ES256; keys for any other are left out.
        grace: seconds that a key is held once it has left the set.

    Raises:
        ConfigError: it cannot be read, or holds no key that fits.
    """

    def __init__(self, place: str, algorithm: str, grace: float) -> None:
        self._place, self._algorithm, self._grace = place, algorithm, grace
        try:
            self._held = {name: _Held(key) for name, key in self._read().items()}
        except (OSError, HTTPException, ValueError) as error:
            raise ConfigError(f"serve.auth.jwks={place} gives no keys: {error}") from error
        self._read_at = self._tried_at = monotonic()
        self._task: asyncio.Task[None] | None = None

    def find(self, kid: str | None) -> Any:
        """The key of that name; for a token without one, the only key in the set."""
        now = monotonic()
        if now - self._read_at > REFRESH_SECONDS:
            self.renewal()
        if kid is None:
            current = [held.key for held in self._held.values() if held.until == inf]
            return current[0] if len(current) == 1 else None
        held = self._held.get(kid)
        return held.key if held and now < held.until else None

    def renewal(self) -> asyncio.Future[None] | None:
        """Read the set again, in a thread."""
        if self._task is None:
            if monotonic() - self._tried_at < RETRY_SECONDS:
                return None
            self._task = asyncio.get_running_loop().create_task(self._renew())
        return self._task

    async def _renew(self) -> None:
        try:
            self._take(await asyncio.to_thread(self._read))
        except (OSError, HTTPException, ValueError) as error:
            log.warning("serve.auth.jwks=%s cannot be read, the keys of before stay: %s", self._place, error)
        finally:
            self._tried_at = monotonic()
            self._task = None

    def _take(self, found: Mapping[str, Any]) -> None:
        now = monotonic()
        gone = {name: held for name, held in self._held.items() if name not in found and now < held.until}
        leaving = {name: replace(held, until=min(held.until, now + self._grace)) for name, held in gone.items()}
        self._held = leaving | {name: _Held(key) for name, key in found.items()}
        self._read_at = now

    def _read(self) -> dict[str, Any]:
        """The usable keys by name.

        Raises:
            OSError, HTTPException, ValueError: there are none.
        """
        content = fetch(self._place) if "://" in self._place else _read_file(Path(self._place))
        try:
            listed = json.loads(content)["keys"]
        except (ValueError, RecursionError, KeyError, TypeError):
            raise ValueError("it must be a JWK set, an object with the list `keys` (RFC 7517)") from None
        found = {}
        for entry in listed if isinstance(listed, list) else ():
            if key := usable_key(entry, self._algorithm):
                found[_name(entry)] = key
        if not found:
            raise ValueError(f"it must hold a key for {self._algorithm} that has a kid, or is the only one")
        return found


def usable_key(entry: Any, algorithm: str) -> Any:
    """The public key in an entry of a JWK set; None where it is for something else."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    if any(entry.get(name) != value for name, value in KINDS[algorithm].items()):
        return None
    public = {name: value for name, value in entry.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
    try:
        key = jwt.PyJWK(public, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        log.warning("a key of serve.auth.jwks is left out: %s", error)
        return None
    if algorithm == "RS256" and key.key_size < RSA_BITS:
        log.warning("a key of serve.auth.jwks is left out: it must have %d bits, got %d", RSA_BITS, key.key_size)
        return None
    return key


def _name(entry: dict[str, Any]) -> str:
    """Its `kid`, else a name by its content."""
    kid = entry.get("kid")
    return kid if isinstance(kid, str) else hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it must be at most {MAX_BYTES:,} bytes")
    return content
