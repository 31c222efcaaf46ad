"""`/` and `/ui/…`: each file of `page/` at a path of its own, so that no path of a request ever leads to a file.

Browsers keep the files and ask each time whether they still hold (ETag); what is sent is packed.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from eyas import __version__
from eyas.serve.http import Answer, Endpoint, Handler, Problem, Request, json_answer
from eyas.serve.service import Service
from eyas.serve.trust.browsers import app_policy
from eyas.serve.trust.near import require_near

FOLDER = Path(__file__).parent / "page"
INDEX = "index.html"
SERVICE = "/ui/service.json"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
PACKED_FROM = 500  # bytes


class Facts(msgspec.Struct):
    """What the page must know, so that it asks for nothing that is not there."""

    version: str
    """Of eyas."""
    auth: bool
    """The service asks for tokens."""
    near: bool
    """Without tokens: this browser is on the machine that the service runs on, and may ask what others may not."""
    admin_port: int | None
    """The only one on which /admin answers, where that is another than this."""
    keeps_images: bool
    endpoints: dict[str, str | None]
    """`GET /monitor` and the like, each with the scope that it asks for."""


@dataclass(frozen=True)
class _File:
    body: bytes
    packed: bytes
    """Empty where that is no shorter."""
    kind: str
    tag: str


def endpoints(service: Service, table: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """None, where `serve.ui` is off.

    Args:
        table: what else the service can be asked.
    """
    if not service.config.ui:
        return ()
    paths = sorted(path for path in FOLDER.rglob("*") if path.suffix in KINDS)
    files = {f"/ui/{path.relative_to(FOLDER).as_posix()}": _read(path) for path in paths}
    files["/"] = files.pop(f"/ui/{INDEX}")
    shown = [Endpoint("GET", path, "", _showing(file)) for path, file in files.items()]
    return (*shown, Endpoint("GET", SERVICE, "", _telling(service, tuple(table))))


def _telling(service: Service, table: tuple[Endpoint, ...]) -> Handler:
    config = service.config
    known: dict[str, str | None] = {f"{one.method} {one.path}": one.scope for one in table}
    keeps = bool(config.monitor and config.monitor.keep_images)

    async def tell(request: Request) -> Answer:
        elsewhere = config.admin_port if request.port != config.admin_port else None
        auth = config.auth is not None
        return json_answer(Facts(__version__, auth, auth or _is_near(request), elsewhere, keeps, known))

    return tell


def _is_near(request: Request) -> bool:
    try:
        require_near(request)
    except Problem:
        return False
    return True


def _read(path: Path) -> _File:
    body = path.read_bytes()
    packed = gzip.compress(body, mtime=0) if len(body) >= PACKED_FROM else b""
    return _File(body, packed, KINDS[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _showing(file: _File) -> Handler:
    headers = {
        "Cache-Control": "no-cache",  # kept, and asked about
        "Content-Security-Policy": app_policy(),
        "ETag": file.tag,
        "Vary": "Accept-Encoding",
    }

    async def show(request: Request) -> Answer:
        takes = {word.partition(";")[0].strip() for word in request.header("accept-encoding").split(",")}
        packs = bool(file.packed) and "gzip" in takes
        said = headers | {"Content-Encoding": "gzip"} if packs else headers
        body = file.packed if packs else file.body
        status = 304 if _holds(request.header("if-none-match"), file.tag) else 200
        return Answer(body, status, file.kind, said)

    return show


def _holds(known: str, tag: str) -> bool:
    return tag in {one.strip().removeprefix("W/") for one in known.split(",")}
