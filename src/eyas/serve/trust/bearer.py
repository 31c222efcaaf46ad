"""The guard at endpoints that ask for a scope: no token, no entry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from eyas.serve.http import Endpoint, Problem, Request
from eyas.serve.trust.keys import Keys
from eyas.serve.trust.tokens import Caller, Tokens, UnknownKeyError

MISSING = {"WWW-Authenticate": 'Bearer realm="eyas"'}  # RFC 6750, 3.1: no error where nothing was shown


class BearerGuard:
    """Lets in who carries a token for the endpoint's scope, and says in `request.subject` who that is."""

    def __init__(self, tokens: Tokens, keys: Keys) -> None:
        self._tokens, self._keys = tokens, keys

    def __call__(self, request: Request, endpoint: Endpoint) -> Awaitable[None] | None:
        """At once for all but a key that must be looked for.

        Raises:
            Problem: 401, no token or none that is valid here; 403, not one for this.
        """
        if endpoint.scope is None:
            return None
        token = bearer_token(request)
        try:
            caller = self._tokens.caller(token)
        except UnknownKeyError:
            if (renewal := self._keys.renewal()) is None:
                raise
            return self._later(request, endpoint, token, renewal)
        _admit(request, endpoint, caller)
        return None

    async def _later(self, request: Request, endpoint: Endpoint, token: bytes, renewal: asyncio.Future[None]) -> None:
        await asyncio.shield(renewal)  # others wait for it too
        _admit(request, endpoint, self._tokens.caller(token))


def bearer_token(request: Request) -> bytes:
    """The token in the header Authorization.

    Raises:
        Problem: 401, there is none.
    """
    kind, _, token = request.headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() != b"bearer" or not (token := token.strip()):
        raise Problem(401, f"{request.path} takes an access token, Authorization: Bearer TOKEN", headers=MISSING)
    return token


def _admit(request: Request, endpoint: Endpoint, caller: Caller) -> None:
    request.subject = caller.subject
    if endpoint.scope not in caller.scopes:
        challenge = f'Bearer realm="eyas", error="insufficient_scope", scope="{endpoint.scope}"'
        detail = f"the access token must be for {endpoint.scope}"
        raise Problem(403, detail, headers={"WWW-Authenticate": challenge})
