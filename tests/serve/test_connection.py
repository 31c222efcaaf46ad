"""HTTP/1.1 as a client on a real socket sees it, over handlers that show what they were given."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from select import select
from threading import Event, Thread
from time import monotonic

import pytest
import uvloop

from eyas.serve.http import Answer, Application, Endpoint, Problem, Request, json_answer
from eyas.serve.http.content import HIGH
from eyas.serve.http.eager import begin
from eyas.serve.http.incoming import MAX_HEADERS
from eyas.serve.http.proxies import Proxies
from eyas.serve.http.request import Limits
from eyas.serve.http.server import MOST, SPARE, Server
from support.waiting import wait_until

LIMITS = Limits(max_body=4 * HIGH, body_seconds=5.0)
PROXY = Proxies(["127.0.0.1"])


class Alone:
    """A share of one process that is there alone."""

    here = 0

    def opened(self) -> None:
        self.here += 1

    def closed(self) -> None:
        self.here -= 1

    def crowded(self) -> bool:
        return False


class Seen:
    """What an observer is told."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.refusals: list[tuple[str, str]] = []

    def began(self, request: Request) -> None:
        pass

    def ended(self, request: Request, status: int) -> None:
        self.statuses.append(status)

    def refused(self, reason: str, address: str) -> None:
        self.refusals.append((reason, address))


class Site:
    """A server in a thread of its own."""

    header_seconds = 5.0

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.seen, self.share = Seen(), Alone()
        self.waits, self.cancelled, self.go_on = Event(), Event(), asyncio.Event()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self._up = Event()

    async def told(self, request: Request) -> Answer:
        body = await request.body()
        facts = {"method": request.method, "path": request.path, "query": request.query, "address": request.address}
        return json_answer(facts | {"body": len(body), "id": request.id, "above": request.above})

    async def slow(self, request: Request) -> Answer:
        self.waits.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Answer(b"slow")

    async def unread(self, request: Request) -> Answer:
        raise Problem(403, "nobody may")

    async def split(self, request: Request) -> Answer:
        return Answer(headers={"X-Split": "a\r\nb: c"})

    async def stream(self, request: Request) -> Answer:
        async def pieces() -> AsyncGenerator[bytes, None]:
            for number in range(3):
                await asyncio.sleep(0)
                yield b"%d\n" % number

        return Answer(pieces=pieces())

    def run(self) -> None:
        async def serve() -> None:
            table = [
                Endpoint("POST", "/told", "", self.told),
                Endpoint("GET", "/told", "", self.told),
                Endpoint("POST", "/unread", "", self.unread),
                Endpoint("GET", "/slow", "", self.slow, scope="predict"),
                Endpoint("GET", "/split", "", self.split),
                Endpoint("GET", "/stream", "", self.stream),
            ]
            self._stop = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            application = Application(table, LIMITS, observers=[self.seen])
            server = Server(application, self.header_seconds, PROXY, self.share, most=self.most)
            await server.start([self.listening])
            self._up.set()
            await self._stop.wait()
            await server.stop(2.0)

        uvloop.run(serve())

    def call(self, what: str) -> None:
        self._loop.call_soon_threadsafe({"stop": self._stop.set, "go on": self.go_on.set}[what])

    @contextmanager
    def open(self) -> Iterator["Site"]:
        thread = Thread(target=self.run)
        thread.start()
        assert self._up.wait(20)
        try:
            yield self
        finally:
            if thread.is_alive():
                self.call("stop")
            thread.join(20)
            assert not thread.is_alive()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def ask(self, sent: bytes) -> bytes:
        """All that comes until the connection is closed."""
        with self.connect() as raw:
            raw.sendall(sent)
            return until_closed(raw)


def until_closed(raw: socket.socket) -> bytes:
    answer = b""
    while received := raw.recv(65536):
        answer += received
    return answer


@pytest.fixture
def site() -> Iterator[Site]:
    with Site().open() as made:
        yield made


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def told(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    found: dict[str, object] = json.loads(body)
    return found


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/told?a=1&a=2", "/told", {"a": "2"}),
        ("/%74old", "/told", {}),
        ("http://example.com/told?b=%20", "/told", {"b": " "}),
    ],
)
def test_what_is_asked_for(site: Site, target: str, path: str, query: dict[str, str]) -> None:
    facts = told(site.ask(get(target, "Connection: close")))
    assert (facts["path"], facts["query"]) == (path, query)


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET\r\n\r\n"])
def test_what_is_no_request(site: Site, sent: bytes) -> None:
    head, _, body = site.ask(sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["status"] == 400
    assert (site.seen.statuses, site.seen.refusals) == ([], [("malformed", "127.0.0.1")])


def test_what_ends_before_it_is_a_request_is_told_once() -> None:
    made = Site()
    made.header_seconds = 0.2
    with made.open() as site:
        assert site.ask(b"GET /told HTTP/1.1\r\nX: ") == b""
        assert site.ask(b"") == b""  # who never begins a request is not refused one
        assert site.ask(b"GET /told HTTP/1.1\r\nX: " + b"a" * MAX_HEADERS * 2).startswith(b"HTTP/1.1 431")
        bad_chunk = b"POST /told HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno length"
        assert site.ask(bad_chunk).startswith(b"HTTP/1.1 400")  # a request, which ends with that
    assert [reason for reason, _ in site.seen.refusals] == ["slow_headers", "long_headers"]
    assert site.seen.statuses == [400]


def test_two_lengths_are_no_request(site: Site) -> None:
    """Else what one server takes for a body, another takes for the next request."""
    both = b"POST /told HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert site.ask(both).startswith(b"HTTP/1.1 400")


def test_a_body_in_many_pieces(site: Site) -> None:
    size = 3 * HIGH
    with site.connect() as raw:
        raw.sendall(b"POST /told HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(3):
            raw.sendall(b"x" * HIGH)
        assert told(until_closed(raw))["body"] == size


def test_who_waits_to_be_told_is_told_to_send(site: Site) -> None:
    with site.connect() as raw:
        raw.sendall(b"POST /told HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b"{}")
        assert told(until_closed(raw))["body"] == 2


def test_who_waits_to_be_told_may_be_refused_first(site: Site) -> None:
    with site.connect() as raw:
        raw.sendall(b"POST /unread HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(65536).startswith(b"HTTP/1.1 403")


def test_another_protocol_is_not_offered(site: Site) -> None:
    """As `curl --http2` asks."""
    answer = site.ask(get("/told", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"))
    assert told(answer)["path"] == "/told"
    assert b"connection: close" in answer


def test_a_body_is_read_where_another_protocol_is_asked_for(site: Site) -> None:
    """As Java's client asks, unless told otherwise."""
    asks = b"POST /told HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 6\r\n\r\n"
    with site.connect() as raw:
        raw.sendall(asks + b"abc")
        raw.sendall(b"def")
        assert told(until_closed(raw))["body"] == 6


@pytest.mark.parametrize("rest", [b"\x00garbage\r\n\r\n", b"GET /told HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_what_follows_the_last_request_does_not_overtake_its_answer(site: Site, rest: bytes) -> None:
    with site.connect() as raw:
        raw.sendall(get("/slow", "Connection: close") + rest)
        assert site.waits.wait(20)
        site.call("go on")
        answer = until_closed(raw)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"slow")
    assert answer.count(b"HTTP/1.1") == 1


def test_endless_trailers_are_refused(site: Site) -> None:
    with site.connect() as raw:
        raw.sendall(b"POST /told HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ")
        while not select([raw], [], [], 0.01)[0]:
            raw.sendall(b"a" * 4096)
        answer = until_closed(raw)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"the body did not come to its end" in answer


def test_a_body_in_chunks_beside_another_protocol_is_refused(site: Site) -> None:
    asks = b"POST /told HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = site.ask(asks + b"2\r\n{}\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_stream_comes_in_chunks(site: Site) -> None:
    answer = site.ask(get("/stream", "Connection: close"))
    assert answer.endswith(b"\r\n\r\n2\r\n0\n\r\n2\r\n1\n\r\n2\r\n2\n\r\n0\r\n\r\n")
    assert b"transfer-encoding: chunked" in answer


def test_requests_behind_a_slow_one_wait_for_it(site: Site) -> None:
    with site.connect() as raw:
        raw.sendall(get("/slow") + get("/told", "X-Request-ID: second") + get("/told", "Connection: close"))
        assert site.waits.wait(20)
        raw.settimeout(0.2)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        raw.settimeout(20)
        site.call("go on")
        answer = until_closed(raw)
    assert answer.count(b"HTTP/1.1 200") == 3
    assert answer.index(b"slow") < answer.index(b"second")


def test_what_nobody_waits_for_is_given_up(site: Site) -> None:
    with site.connect() as raw:
        raw.sendall(get("/slow"))
        assert site.waits.wait(20)
    assert site.cancelled.wait(20)
    wait_until(lambda: site.seen.statuses == [499], 20)


def test_a_header_that_would_be_two_is_not_sent(site: Site) -> None:
    assert b"b: c" not in site.ask(get("/split"))
    assert told(site.ask(get("/told", "Connection: close")))


def test_the_last_answers_are_given_before_it_stops(site: Site) -> None:
    with site.connect() as raw, site.connect() as idle:
        raw.sendall(get("/slow"))
        assert site.waits.wait(20)
        site.call("stop")
        idle.sendall(get("/told"))
        assert until_closed(idle).startswith(b"HTTP/1.1 200")
        site.call("go on")
        assert until_closed(raw).endswith(b"slow")


def test_connections_are_counted_as_long_as_they_are_there(site: Site) -> None:
    with site.connect(), site.connect():
        wait_until(lambda: site.share.here == 2, 20)
    wait_until(lambda: site.share.here == 0, 20)


@pytest.mark.parametrize(
    ("told_by", "expected"),
    [
        ((), "10.0.0.1"),
        (("192.0.2.1",), "192.0.2.1"),
        (("192.0.2.1, 10.0.0.7",), "192.0.2.1"),
        (("203.0.113.9, 192.0.2.1",), "192.0.2.1"),
        (("[2001:db8::1]:4711",), "2001:db8::1"),
        (("192.0.2.1:80",), "192.0.2.1"),
        (("10.0.0.7",), "10.0.0.7"),
        (("192.0.2.1,",), "10.0.0.1"),
        (("::ffff:10.0.0.9",), "::ffff:10.0.0.9"),
    ],
)
def test_a_known_proxy_tells_the_address(told_by: tuple[str, ...], expected: str) -> None:
    headers = {b"x-forwarded-for": ", ".join(told_by).encode()} if told_by else {}
    assert Proxies(["10.0.0.0/8"]).client("10.0.0.1", headers) == expected
    assert Proxies(["172.16.0.0/12"]).client("10.0.0.1", headers) == "10.0.0.1"


def test_several_lines_of_proxies_are_one_list(site: Site) -> None:
    lines = ("X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.1", "Connection: close")
    assert told(site.ask(get("/told", *lines)))["address"] == "192.0.2.1"


async def _waits(gone: list[str], future: "asyncio.Future[str]") -> None:
    try:
        gone.append(await future)
        await asyncio.sleep(0)
        gone.append("end")
    except asyncio.CancelledError:
        gone.append("cancelled")
        raise


def test_a_coroutine_that_waits_goes_on_in_a_task() -> None:
    async def main() -> None:
        gone: list[str] = []
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = begin(_waits(gone, future))
        assert task is not None
        future.set_result("first")
        await task
        assert gone == ["first", "end"]

    asyncio.run(main())


def test_a_coroutine_that_goes_on_can_be_cancelled_and_fail() -> None:
    async def fails(future: "asyncio.Future[str]") -> None:
        await future

    async def main() -> None:
        gone: list[str] = []
        loop = asyncio.get_running_loop()
        task = begin(_waits(gone, loop.create_future()))
        assert task is not None
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gone == ["cancelled"]
        failing: asyncio.Future[str] = loop.create_future()
        work: Coroutine[object, object, None] = fails(failing)
        task = begin(work)
        assert task is not None
        failing.set_exception(ValueError("it"))
        with pytest.raises(ValueError, match="it"):
            await task

    asyncio.run(main())


def test_a_task_that_is_cancelled_at_once_still_ends_its_coroutine() -> None:
    ended: list[str] = []

    async def waits(future: "asyncio.Future[str]") -> None:
        try:
            await future
        finally:
            ended.append("here")

    async def main() -> None:
        task = begin(waits(asyncio.get_running_loop().create_future()))
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert ended == ["here"]

    asyncio.run(main())


def test_a_coroutine_that_does_not_wait_needs_no_task() -> None:
    async def main() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        future.set_result("there")
        gone: list[str] = []

        async def quick() -> None:
            gone.append(await future)

        assert begin(quick()) is None
        assert gone == ["there"]

    asyncio.run(main())


def test_connections_above_the_limit_are_answered_once_and_make_room_for_each_other() -> None:
    with Site(most=2).open() as site, ExitStack() as stack:
        first, *_ = [stack.enter_context(site.connect()) for _ in range(2 + 3 * SPARE)]
        wait_until(lambda: site.share.here == 2 + SPARE, 20)
        answer = site.ask(get("/told"))  # closed, though nobody asked for that
        assert told(answer)["above"] is True
        assert b"connection: close" in answer
        first.sendall(get("/told", "Connection: close"))
        assert told(until_closed(first))["above"] is False
        wait_until(lambda: site.share.here == 1 + SPARE - 1, 20)
        assert told(site.ask(get("/told", "Connection: close")))["above"] is False


def test_a_connection_above_the_limit_that_asks_nothing_is_soon_let_go() -> None:
    with Site(most=1).open() as site, site.connect(), site.connect() as above:
        began = monotonic()
        assert until_closed(above) == b""
        assert monotonic() - began < 4  # under the 5 s that headers may take
