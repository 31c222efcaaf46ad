"""Bearer tokens: who says so, for how long, and what for.

token ─ SHA-256 ─ seen already? ─────────────────────────► Caller
              └─ no: signature ─ iss, aud, sub, exp, nbf ─┘
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import Any

import jwt

from eyas.core.schema import AuthConfig
from eyas.serve.http import Problem
from eyas.serve.trust.keys import Keys

MAX_TOKEN = 8192  # bytes
MAX_SUBJECT = 255  # characters
REMEMBERED = 4096  # tokens
REMEMBERED_SECONDS = 60.0  # then a token is verified again: its key may have been withdrawn
INVALID = "The access token is malformed, expired, or not valid for this service"
EXPIRED = "The access token expired"
log = logging.getLogger("eyas.serve")


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    subject: str
    scopes: frozenset[str]
    until: float
    """Seconds since 1970; the token is looked at again then."""


class UnknownKeyError(Problem):
    """The token names a key that is not known, or not yet."""


def refusal(says: str = INVALID, kind: type[Problem] = Problem) -> Problem:
    """A 401 over a token that is not taken (RFC 6750, 3.1)."""
    challenge = f'Bearer realm="eyas", error="invalid_token", error_description="{says}"'
    return kind(401, says[0].lower() + says[1:], headers={"WWW-Authenticate": challenge})


class Tokens:
    """Verifies tokens, and remembers those that were good for a while.

    Args:
        keys: to verify with.
        clock: seconds since 1970; for how long a token is remembered.
    """

    def __init__(self, config: AuthConfig, keys: Keys, clock: Callable[[], float] = time) -> None:
        self._config, self._keys, self._clock = config, keys, clock
        self._seen: OrderedDict[bytes, Caller] = OrderedDict()

    def caller(self, token: bytes) -> Caller:
        """Who carries this token.

        Raises:
            UnknownKeyError: a 401 that may become a 200 once the keys are renewed.
            Problem: 401, which says no more than RFC 6750 has it; the log knows the reason.
        """
        digest = hashlib.sha256(token).digest()
        caller = self._seen.get(digest)
        if caller is not None and self._clock() < caller.until:
            self._seen.move_to_end(digest)
            return caller
        caller = self._verify(token)
        self._seen[digest] = caller
        self._seen.move_to_end(digest)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return caller

    def _verify(self, token: bytes) -> Caller:
        if len(token) > MAX_TOKEN:
            raise refusal(f"The access token must be at most {MAX_TOKEN} bytes")
        try:
            key = self._key(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=[self._config.algorithm],
                audience=self._config.audience,
                issuer=self._config.issuer,
                leeway=self._config.leeway_seconds,
                options={"require": ["exp", "aud", "iss", "sub"]},
            )
            return self._read(claims)
        except jwt.ExpiredSignatureError:
            raise refusal(EXPIRED) from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            log.debug("a token is refused: %s", error)
            raise refusal() from None

    def _key(self, token: bytes) -> Any:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != self._config.algorithm:  # PyJWT asks this again; here no key is looked for
            raise jwt.InvalidAlgorithmError(f"alg must be {self._config.algorithm}, got {header.get('alg')!r:.40}")
        if "crit" in header:  # RFC 7515, 4.1.11: extensions that we must understand, and understand none of
            raise jwt.DecodeError("crit names an extension")
        key = self._keys.find(header.get("kid"))
        if key is None:
            raise refusal(kind=UnknownKeyError)
        return key

    def _read(self, claims: dict[str, Any]) -> Caller:
        subject, expires = claims["sub"], claims["exp"]
        if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
            raise ValueError(f"sub must be 1 to {MAX_SUBJECT} printable characters")
        if not isinstance(expires, int | float):
            raise TypeError("exp must be a number")
        until = min(expires + self._config.leeway_seconds, self._clock() + REMEMBERED_SECONDS)
        return Caller(subject, _scopes(claims), until)


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Of `scope`, separated by spaces (RFC 8693), or the list `scopes`."""
    words = claims["scope"] if "scope" in claims else claims.get("scopes", [])
    listed = words.split(" ") if isinstance(words, str) else words
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise ValueError("scope must be words separated by spaces, and scopes a list of them")
    return frozenset(listed)
