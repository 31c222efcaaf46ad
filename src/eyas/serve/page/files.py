"""`/` and `/ui/…`: each file of a page at a path of its own, so that no path of a request ever leads to a file.

Browsers keep the files and ask each time whether they still hold (ETag); what is sent is packed.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from eyas.serve.http import Answer, Endpoint, Handler, Request
from eyas.serve.page.policy import app_policy

SHARED = Path(__file__).parent / "shared"
INDEX = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
PACKED_FROM = 500  # bytes


@dataclass(frozen=True)
class _File:
    body: bytes
    packed: bytes
    """Empty where that is no shorter."""
    kind: str
    tag: str


def page_files(folder: Path) -> dict[str, Path]:
    """Path of a request → file, of a page: what is in its folder, and what all pages share."""
    found = {
        f"/ui/{path.relative_to(place).as_posix()}": path
        for place in (SHARED, folder)
        for path in sorted(place.rglob("*"))
        if path.suffix in KINDS
    }
    found["/"] = found.pop(f"/ui/{INDEX}")
    return found


def page_endpoints(folder: Path) -> tuple[Endpoint, ...]:
    """Of all files of a page; they are read now."""
    return tuple(Endpoint("GET", path, "", _showing(_read(file))) for path, file in page_files(folder).items())


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
        status = 304 if is_known(request, file.tag) else 200
        return Answer(body, status, file.kind, said)

    return show


def is_known(request: Request, tag: str) -> bool:
    """Whether the browser has what this ETag stands for."""
    return tag in {one.strip().removeprefix("W/") for one in request.header("if-none-match").split(",")}
