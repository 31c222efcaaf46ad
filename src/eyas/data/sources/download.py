"""Files over HTTP: resumed where they were cut, checked, whole or absent.

`<file>.part` grows; `<file>.part.etag` says which version of the remote file it is a part of.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from eyas.core import console
from eyas.core.errors import DataError
from eyas.core.io import CHUNK, write_text
from eyas.core.retry_after import read_retry_after
from eyas.data.writing import locked

ATTEMPTS = 5
BACKOFF_SECONDS = 0.5
LONGEST_ASKED = 15.0  # seconds that a busy server is waited for, whatever it asks
TIMEOUT_SECONDS = 30.0
# Answers that another attempt may change: too early, too many requests, a server in trouble.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
UNSATISFIABLE = 416


class RefusedError(DataError):
    """The server's answer is final; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _BusyError(ConnectionError):
    """The server's answer is one that passes; `after` is how many seconds it asks for."""

    def __init__(self, message: str, retry_after: str) -> None:
        super().__init__(message)
        self.after = read_retry_after(retry_after) or 0.0


def download(urls: Sequence[str], target: Path, *, md5: str | None = None, headers: Mapping[str, str] = {}) -> Path:
    """Bring a file here from the first mirror that gives it whole.

    Args:
        urls: where it lies, best first.
        target: the file to make.
        md5: what it must hash to; unchecked where None.
        headers: sent to the URL's own host alone, never to where it redirects.

    Returns:
        `target`.

    Raises:
        RefusedError: the last mirror answered with a final HTTP error.
        DataError: no mirror gave the file, or each gave another one.
    """
    with locked(target):
        if target.exists():  # another process brought it while we waited
            return target
        failures: list[DataError] = []
        for url in urls:
            try:
                return _fetch(url, target, md5, headers)
            except DataError as error:
                failures.append(error)
    if isinstance(failures[-1], RefusedError) and len(urls) == 1:
        raise failures[-1]
    raise DataError(f"cannot download {target.name}: " + "; ".join(map(str, failures)))


def _fetch(url: str, target: Path, md5: str | None, headers: Mapping[str, str]) -> Path:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url} must be an http or https URL")
    part = target.with_name(f"{target.name}.part")
    pause, asked, problem, moved = BACKOFF_SECONDS, 0.0, "", False
    for attempt in range(ATTEMPTS):
        if attempt and not moved:  # nothing came: give the server time
            time.sleep(max(pause, asked))
            pause *= 2
        before = _size(part)
        try:
            complete = _attempt(url, part, headers)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            complete, problem = False, _reason(error)
            asked = min(error.after, LONGEST_ASKED) if isinstance(error, _BusyError) else 0.0
            if isinstance(getattr(error, "reason", None), socket.gaierror):  # no such host, or no network at all
                break
        if complete:
            return _accept(url, part, target, md5)
        moved = _size(part) > before
    raise DataError(f"{url}: {problem or 'the connection was cut'} ({attempt + 1} attempts)")


def _attempt(url: str, part: Path, headers: Mapping[str, str]) -> bool:
    """Ask for what is missing; whether the part is now complete."""
    etag_file = part.with_name(f"{part.name}.etag")
    have, etag = _size(part), etag_file.read_text(encoding="utf-8") if etag_file.exists() else ""
    request = urllib.request.Request(url, headers={"User-Agent": "eyas", "Accept-Encoding": "identity"})
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    resume = bool(have and etag)
    if resume:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", etag)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            return _refused(url, error, part)
    with response:
        resumed = response.status == 206 and _starts_at(response.headers.get("Content-Range", ""), have)
        if response.status == 206 and not resumed:
            part.unlink()
            return False
        if not resumed:  # before the tag changes: a part of one version must never lie beside the tag of another
            part.unlink(missing_ok=True)
        write_text(etag_file, response.headers.get("ETag") or response.headers.get("Last-Modified") or "")
        return _receive(response, part, have if resumed else 0)


def _receive(response: http.client.HTTPResponse, part: Path, start: int) -> bool:
    """Append the body; whether it came whole."""
    length = response.headers.get("Content-Length")
    total = start + int(length) if length and length.isdecimal() else None
    try:
        with part.open("ab" if start else "wb") as file, console.progress(transient=True) as bar:
            task = bar.add_task(f"downloading {part.stem}", total=total, completed=start, status="bytes")
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.advance(task, len(chunk))
    except (http.client.IncompleteRead, ConnectionError, TimeoutError):
        return False
    except OSError as error:
        raise DataError(f"cannot write {part}: {error.strerror}") from error
    return total is None or _size(part) == total


def _refused(url: str, error: urllib.error.HTTPError, part: Path) -> bool:
    if error.code == UNSATISFIABLE:  # our part is longer than the file: start again
        part.unlink(missing_ok=True)
        return False
    if error.code in PASSING:
        raise _BusyError(f"HTTP {error.code} {error.reason}", error.headers.get("Retry-After", ""))
    raise RefusedError(f"{url}: HTTP {error.code} {error.reason}", error.code)


def _accept(url: str, part: Path, target: Path, md5: str | None) -> Path:
    """Check the whole file and give it its name."""
    part.with_name(f"{part.name}.etag").unlink(missing_ok=True)
    if md5 is not None:
        with part.open("rb") as file:
            got = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if got != md5:
            part.unlink()
            raise DataError(f"{url}: the file must have the MD5 {md5}, got {got}")
    part.rename(target)
    return target


def _starts_at(content_range: str, start: int) -> bool:
    return content_range.startswith(f"bytes {start}-")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error)
