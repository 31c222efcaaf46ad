"""What comes on a connection, as requests: llhttp's callbacks (httptools), within limits."""

from __future__ import annotations

import logging
from typing import Protocol
from urllib.parse import unquote

import httptools

from eyas.serve.http.content import Content
from eyas.serve.http.problems import Problem
from eyas.serve.http.request import Head

MAX_HEADERS = 32 * 1024  # bytes, before the end of the headers; and behind a body
LISTS = frozenset({b"x-forwarded-for", b"tracestate"})  # headers whose several lines are one list (RFC 9110, 5.3)
log = logging.getLogger("eyas.serve")


class Begun(Protocol):
    """Told of each request whose headers are there."""

    def __call__(self, head: Head, *, stays: bool, modern: bool) -> Content:
        """What its body is put into.

        Args:
            head: without the client's address and the port.
            stays: the connection may serve another request after it.
            modern: it is of HTTP/1.1.
        """


class Incoming:
    """The requests of one connection."""

    def __init__(self, begun: Begun) -> None:
        self._begun = begun
        self._parser = httptools.HttpRequestParser(self)
        self._content: Content | None = None  # of the last request whose headers were there
        self._url, self._headers = b"", dict[bytes, bytes]()
        self._in_headers = False
        self._moved = False  # headers have ended, or a piece of a body has come, with the last bytes
        self._silent = 0  # bytes since then
        self._upgraded = False
        self._left = 0  # bytes of a body that the parser does not take
        self.within = False
        """Whether a request has begun, and not ended."""

    @property
    def full(self) -> bool:
        """Whether more of a body has come than is taken."""
        return self._content is not None and self._content.full

    def feed(self, data: bytes) -> None:
        """Parse what has come.

        Raises:
            Problem: it is no request, or its headers do not end.
        """
        if self._upgraded:
            self._take(data)
            return
        self._moved = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgraded = True
            self._take(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if not isinstance(error.__context__, httptools.HttpParserError | None):
                log.exception("a request could not be taken in")
            raise Problem(400, "this is no request of HTTP/1.1") from None
        else:
            self._silent = self._silent + len(data) if self.within and not self._moved else 0
            if self._silent > MAX_HEADERS:
                raise Problem(431, f"the headers must end within {MAX_HEADERS:,} bytes")

    def stop(self) -> None:
        """No more of it will come."""
        if self._content is not None and not self._content.complete:
            self._content.lose()

    def _take(self, data: bytes) -> None:
        """The body of a request that asked for another protocol, which the parser leaves alone; what follows is none.

        No other protocol is offered, so that the request is answered as it is (RFC 9110, 7.8).
        """
        if self._left and self._content is not None:
            self._content.add(data[: self._left])
            self._left = max(0, self._left - len(data))
            if not self._left:
                self._end(self._content)

    def _end(self, content: Content) -> None:
        self.within = False
        content.end()

    def _head(self) -> Head:
        url = self._url
        if not url.startswith(b"/"):  # absolute, as proxies have it; or `*`
            parsed = httptools.parse_url(url)
            url = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
        path, _, query = url.partition(b"?")
        text = path.decode("latin-1")
        method = self._parser.get_method().decode("latin-1")
        return Head(method, unquote(text) if "%" in text else text, query, self._headers)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self.within = self._in_headers = True
        self._url, self._headers = b"", {}

    def on_url(self, url: bytes) -> None:
        """A piece of what is asked for."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what comes after the body is none, whatever it says."""
        if not self._in_headers:
            return
        name = name.lower()
        if name in self._headers and name in LISTS:
            value = self._headers[name] + b", " + value
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        """All headers are there."""
        self._in_headers, self._moved = False, True
        other = self._parser.should_upgrade()
        modern = self._parser.get_http_version() == "1.1"
        stays = modern and self._parser.should_keep_alive() and not other
        self._content = self._begun(self._head(), stays=stays, modern=modern)
        if other and b"transfer-encoding" in self._headers:
            self._content.lose()  # its body cannot be told from what follows
        elif other and (length := self._headers.get(b"content-length", b"0")).isdigit():
            self._left = int(length)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._moved = True
        if self._content is not None:
            self._content.add(body)

    def on_message_complete(self) -> None:
        """A request ends, for the parser."""
        if self._content is not None and not self._left and not self._content.lost:
            self._end(self._content)
