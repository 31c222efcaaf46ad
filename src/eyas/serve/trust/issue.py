"""Tokens of our own making, and the secrets and key sets that they are verified with."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import jwt

from eyas.core.errors import ConfigError, needs_extra
from eyas.core.schema import AuthConfig
from eyas.core.schema.trust import SECRET_BYTES
from eyas.serve.http.endpoint import Scope
from eyas.serve.trust.keys import KINDS, read_secret, usable_key
from eyas.serve.trust.tokens import MAX_SUBJECT

SCOPES = frozenset(get_args(Scope))


def issue(config: AuthConfig, subject: str, scopes: Sequence[str], hours: float, key: SigningKey | None = None) -> str:
    """A token that a server with this configuration accepts.

    Args:
        hours: from now on.
        key: to sign with; the configuration's secret where it is left out.

    Raises:
        ConfigError: a subject or scope that no server knows; a key for another algorithm; no secret.
    """
    if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise ConfigError(f"the subject must be 1 to {MAX_SUBJECT} printable characters, got {subject!r:.300}")
    if unknown := sorted({*scopes} - SCOPES):
        raise ConfigError(f"a scope must be one of {', '.join(sorted(SCOPES))}, got {', '.join(unknown)}")
    now = int(time.time())
    claims = {
        "iss": config.issuer,
        "aud": config.audience,
        "sub": subject,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + max(1, round(hours * 3600)),
        "jti": uuid4().hex,
    }
    if key is not None:
        if (config.jwks or config.secret_file) and key.algorithm != config.algorithm:
            raise ConfigError(
                f"serve.auth.algorithm={config.algorithm} needs a key for it, got one for {key.algorithm}"
            )
        return key.sign(claims)
    if config.algorithm != "HS256":
        raise ConfigError(f"serve.auth.algorithm={config.algorithm} needs the private key to sign with: --key PEM")
    return jwt.encode(claims, read_secret(config), "HS256")


class SigningKey:
    """A private key from a PEM file.

    Args:
        kid: its name in the JWK set, and in each token.

    Raises:
        ConfigError: no private key is in the file, or none for RS256 or ES256.
    """

    def __init__(self, path: Path, kid: str | None = None) -> None:
        with needs_extra("jwks"):
            from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
            from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
            from cryptography.hazmat.primitives.serialization import load_pem_private_key
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise ConfigError(f"cannot read the key {path}: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{path} must hold a private key in PEM, not encrypted: {error}") from error
        if isinstance(key, RSAPrivateKey):
            self.algorithm = "RS256"
        elif isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
            self.algorithm = "ES256"
        else:
            raise ConfigError(f"{path} must hold an RSA key (RS256), or one on the curve P-256 (ES256)")
        self._key: Any = key
        self._kid = kid
        if usable_key(self.entry(), self.algorithm) is None:
            raise ConfigError(f"{path} must hold an RSA key of 2048 bits or more, got {key.key_size}")

    def sign(self, claims: dict[str, Any]) -> str:
        """A token."""
        return jwt.encode(claims, self._key, self.algorithm, headers={"kid": self._kid} if self._kid else None)

    def entry(self) -> dict[str, Any]:
        """The public half, as an entry of a JWK set."""
        kind = jwt.get_algorithm_by_name(self.algorithm)
        described: dict[str, Any] = kind.to_jwk(self._key.public_key(), as_dict=True)
        kept = {name: value for name, value in described.items() if name != "key_ops"}
        return {**KINDS[self.algorithm], **kept, "alg": self.algorithm, "use": "sig", **self._name()}

    def _name(self) -> dict[str, str]:
        return {"kid": self._kid} if self._kid else {}


def write_new_secret(path: Path) -> None:
    """Write a random secret that only its owner may read. It is there whole or not at all.

    Raises:
        ConfigError: there is a file of that name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    partial = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(partial)  # a rename would take the place of a file that is there
    except FileExistsError:
        raise ConfigError(
            f"{path} exists already and is never overwritten: tokens signed by it would end; choose another name"
        ) from None
    finally:
        partial.unlink()
