"""One POST to an address that the configuration names; no URL of a request comes here."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request

from eyas import __version__
from eyas.core.errors import ServingError
from eyas.core.retry_after import read_retry_after
from eyas.core.schema.addresses import shown
from eyas.serve.trust.fetch import opener

SECONDS = 10.0  # for a connection, and for each piece of the answer
FINAL = (
    400,
    410,
    413,
    422,
)  # it is the event, or there is no receiver any more; all else may pass: a token, a deployment
TOKEN = re.compile(r"[!-~]+")


class DeliveryError(ServingError):
    """A receiver has not taken what was sent.

    Args:
        why: without anything secret.
        final: whether it would not be taken a second time either.
        after: seconds after which the receiver asks to be tried again.
    """

    def __init__(self, why: str, *, final: bool = False, after: float | None = None) -> None:
        super().__init__(why)
        self.final, self.after = final, after


@dataclass(frozen=True)
class Address:
    """Where to post.

    Args:
        url: with a user and a password, where basic authentication is asked for.
        token_file: holds a bearer token.
    """

    url: str
    token_file: str | None = None

    @property
    def shown(self) -> str:
        """Without secrets."""
        return shown(self.url)

    @property
    def key(self) -> str:
        """What it is known by in files."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def bare(self) -> str:
        """The URL without user and password, which are sent in a header."""
        url = urlsplit(self.url)
        return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()

    def credentials(self) -> dict[str, str]:
        """The header that says who asks, if any.

        Raises:
            OSError: the file of the token cannot be read.
            ValueError: it holds no token.
        """
        if self.token_file:
            token = Path(self.token_file).read_text(encoding="ascii").strip()
            if not TOKEN.fullmatch(token):
                raise ValueError
            return {"Authorization": f"Bearer {token}"}
        url = urlsplit(self.url)
        if url.username is None:
            return {}
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def post(address: Address, body: bytes, headers: Mapping[str, str]) -> None:
    """Send JSON. A redirect is not followed: what is trusted is the address in the configuration.

    Raises:
        DeliveryError: no answer came, or one that is no success.
    """
    own = {"Content-Type": "application/json", "User-Agent": f"eyas/{__version__}", **headers}
    try:
        request = Request(address.bare, body, own | _credentials(address), method="POST")
        opener(address.bare).open(request, timeout=SECONDS).close()
    except HTTPError as error:
        error.close()
        raise _refused(error.code, error.headers.get("Retry-After", "")) from None
    except (OSError, HTTPException, ValueError) as error:  # their own words may hold the URL
        raise DeliveryError(_words(error), final=isinstance(error, ValueError)) from None


def _credentials(address: Address) -> dict[str, str]:
    try:
        return address.credentials()
    except OSError as error:
        raise DeliveryError(f"cannot read {address.token_file}: {error.strerror}") from error
    except ValueError:  # it may be just being written; the error's own words hold what was read
        raise DeliveryError(f"{address.token_file} holds no token, which is printable ASCII without spaces") from None


def _refused(status: int, after: str) -> DeliveryError:
    try:
        said = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        said = f"{status}"
    if 300 <= status < 400:
        return DeliveryError(f"{said}, and redirects are not followed")
    return DeliveryError(said, final=status in FINAL, after=read_retry_after(after))


def _words(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return f"no answer within {SECONDS:g} s"
    if isinstance(reason, OSError):
        return reason.strerror or type(reason).__name__
    return type(error).__name__
