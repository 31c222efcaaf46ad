"""What a client cannot do to the service: be slow for ever, send too much, or lose an answer because it stops."""

import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from eyas.bundle import Bundle
from eyas.serve.http.incoming import MAX_HEADERS
from support.server import Server, running
from support.waiting import wait_until

PIXELS = {"data": [0.5] * 64}
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def until_closed(raw: socket.socket) -> bytes:
    answer = b""
    while received := raw.recv(65536):
        answer += received
    return answer


@pytest.fixture(scope="module")
def impatient(grey: Bundle):
    """Gives up on slow clients within a second."""
    with running(grey.path, header_seconds=0.5, body_seconds=0.5, workers=1) as made:
        yield made


@pytest.mark.parametrize("sent", [b"", b"POST /pre", HEAD, b"\r\n"])
def test_who_does_not_end_its_headers_is_let_go(impatient: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as raw:
        raw.sendall(sent)
        assert until_closed(raw) == b""


def test_headers_that_drip_do_not_hold_the_connection(impatient: Server) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as raw:
        raw.settimeout(0.05)
        raw.sendall(b"GET /livez HTTP/1.1\r\nX-Drip: ")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                raw.sendall(b"a")
                assert raw.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:  # closed between the two
                return
            return
    raise AssertionError("it was held for 20 s")


def test_a_second_request_has_the_same_deadline(impatient: Server) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as raw:
        raw.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHo")
        assert until_closed(raw).count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("length", [b"Content-Length: 1000\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"])
def test_a_body_that_does_not_come_is_told(impatient: Server, length: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as raw:
        raw.sendall(HEAD + length)
        answer = until_closed(raw)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"the body must come within 0.5 s (serve.body_seconds)" in answer


def test_bytes_of_no_request_do_not_hold_the_connection(impatient: Server) -> None:
    """Blank lines, and a body that nobody waits for."""
    for start in (b"GET /livez HTTP/1.1\r\n", b"POST /no HTTP/1.1\r\nContent-Length: 99999\r\n"):
        with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as raw:
            raw.sendall(start + b"Host: x\r\n\r\n")
            assert raw.recv(65536).startswith(b"HTTP/1.1 ")
            raw.settimeout(0.05)
            deadline = time.monotonic() + 4  # under the 5 s that an idle connection has
            while time.monotonic() < deadline:
                try:
                    raw.sendall(b"\r\n")
                    if raw.recv(65536) == b"":
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            else:
                raise AssertionError(f"it was held after {start!r}")


def test_what_follows_a_body_is_no_header(server: Server, grey: Bundle) -> None:
    """Else a trailer could say who asks, or of what kind the body is."""
    body = b'{"data": ' + str((grey.golden().images[0] / 255).tolist()).encode() + b"}"
    chunk = b"%x\r\n%b\r\n0\r\nContent-Type: text/plain\r\nX-Request-ID: trailer\r\n\r\n" % (len(body), body)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
        answer = until_closed(raw)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"trailer" not in answer


def test_a_client_of_http_1_0_gets_a_body_without_chunks(server: Server, grey: Bundle) -> None:
    line = b'{"data": ' + str((grey.golden().images[0] / 255).tolist()).encode() + b"}"
    head = b"POST /predict/batch HTTP/1.0\r\nContent-Type: application/x-ndjson\r\n"
    head += b"Content-Length: %d\r\n\r\n" % len(line)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(head + line)
        head, _, body = until_closed(raw).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    expected = int(grey.golden().probabilities[0].argmax())
    assert [json.loads(one)["prediction"] for one in body.splitlines()] == [expected]


def test_two_requests_in_one_piece_are_answered_in_order(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(
            b"GET /health HTTP/1.1\r\nHost: x\r\nX-Request-ID: one\r\n\r\n"
            b"HEAD /livez HTTP/1.1\r\nHost: x\r\nX-Request-ID: two\r\nConnection: close\r\n\r\n"
        )
        answer = until_closed(raw)
    assert answer.index(b"x-request-id: one") < answer.index(b"x-request-id: two")
    assert answer.endswith(b"\r\n\r\n")  # no body after HEAD


def test_several_forms_at_once_are_not_taken_for_much_work(grey: Bundle, digit_file: Path) -> None:
    content = digit_file.read_bytes()
    with running(grey.path, workers=1) as server, ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(httpx.post, f"{server.url}/predict", files={"f": ("a.png", content)}) for _ in range(24)]
        assert {one.result().status_code for one in sent} == {200}


def test_endless_headers_are_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(HEAD)
        line = b"X-More: " + b"a" * 1000 + b"\r\n"
        try:
            for _ in range(10 * MAX_HEADERS // len(line)):
                raw.sendall(line)
            answer = until_closed(raw)
        except ConnectionError:  # it has closed while we sent
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    assert httpx.get(f"{server.url}/livez").status_code == 200


def test_who_sends_on_still_sees_the_answer(server: Server) -> None:
    """Against the limit of 1 MB. Without care the connection is reset, and with it what was not read yet."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(HEAD + b"Content-Length: 8000000\r\n\r\n" + bytes(8_000_000))
        answer = until_closed(raw)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"serve.max_body_mb" in answer


def test_bodies_on_their_way_share_their_room(grey: Bundle) -> None:
    """Two that are slow leave none for a third; once they have gone, there is room again."""
    head = HEAD + b"Connection: close\r\nContent-Length: 900000\r\n\r\n"

    def answer_to_a_third() -> bytes:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as third:
            third.sendall(head + bytes(900_000))
            return until_closed(third)

    with running(grey.path, workers=1, max_body_mb=1, max_bodies_mb=1.5) as server:
        slow = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(2)]
        for one in slow:
            one.sendall(head + bytes(700_000))
        refused = answer_to_a_third()
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"1,500,000 bytes together (serve.max_bodies_mb)" in refused
        for one in slow:
            one.close()
        wait_until(lambda: answer_to_a_third().startswith(b"HTTP/1.1 4"), 20)  # it is read again, and is no JSON


def test_bodies_keep_their_room_until_they_are_answered(grey: Bundle) -> None:
    """A batch whose client does not read its answers leaves none for a prediction; once it has gone, there is room."""
    lines = b"x\n" * 475_000  # each is answered by a line that says that it is no image
    head = b"POST /predict/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"

    def predict() -> httpx.Response:
        return httpx.post(f"{server.url}/predict", json={"data": [[0.5] * 64] * 400})  # 100 kB

    limits = {"max_body_mb": 1, "max_bodies_mb": 1, "max_images": 400, "max_batch_images": 475_000}
    with running(grey.path, workers=1, **limits) as server:
        assert predict().status_code == 200
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as batch:
            batch.sendall(head + b"Content-Length: %d\r\n\r\n" % len(lines) + lines)
            assert batch.recv(9) == b"HTTP/1.1 "  # its body has come
            refused = predict()
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert "1,000,000 bytes together (serve.max_bodies_mb)" in refused.json()["detail"]
        wait_until(lambda: predict().status_code == 200, 20)


def test_connections_above_the_limit_are_told_so_and_may_ask_for_health(grey: Bundle) -> None:
    with running(grey.path, workers=1, max_connections=3) as server:
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            refused = httpx.post(f"{server.url}/predict", json=PIXELS)
            assert refused.status_code == 503
            assert refused.headers["Content-Type"] == "application/problem+json"
            assert (refused.headers["Retry-After"], refused.headers["Connection"]) == ("1", "close")
            assert "must be at most 3 (serve.max_connections)" in refused.json()["detail"]
            alive = httpx.get(f"{server.url}/livez")
            assert (alive.status_code, alive.headers["Connection"]) == (200, "close")
        wait_until(lambda: httpx.post(f"{server.url}/predict", json=PIXELS).status_code == 200, 20)


def test_a_huge_body_costs_no_memory(grey: Bundle) -> None:
    with running(grey.path, workers=1) as server:
        page = "process_resident_memory_bytes"
        before = _memory(server, page)
        for head in (b"Content-Length: 300000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
                raw.sendall(HEAD + head)
                try:
                    for _ in range(300):
                        raw.sendall(b"F4240\r\n" * (head[0] == 84) + bytes(1_000_000) + b"\r\n" * (head[0] == 84))
                except ConnectionError:
                    continue
                assert until_closed(raw).startswith(b"HTTP/1.1 413")
        assert _memory(server, page) < before + 50e6  # the limit is 32 MB


def _memory(server: Server, name: str) -> float:
    text = httpx.get(f"{server.url}/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + "{"))


class Clients:
    """Threads that ask again and again on connections that they keep, until they are told to go or the server does."""

    def __init__(self, server: Server, count: int) -> None:
        self.server, self.stop = server, threading.Event()
        self.answered, self.failed = 0, []  # type: ignore[var-annotated]
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        """A connection that is refused was never made: nothing was asked on it."""
        with httpx.Client(base_url=self.server.url, timeout=30) as client:
            while not self.stop.is_set():
                try:
                    response = client.post("/predict", json=PIXELS)
                    failure = None if response.status_code == 200 else str(response.status_code)
                except httpx.ConnectError:
                    return
                except httpx.HTTPError as error:
                    failure = repr(error)
                with self._lock:
                    self.answered += failure is None
                    if failure:
                        self.failed.append(failure)


def test_nothing_that_was_asked_is_lost_when_it_stops(grey: Bundle) -> None:
    with running(grey.path, workers=2) as server, Clients(server, 6) as clients:
        wait_until(lambda: clients.answered > 100, 60)
        code, _ = server.stop()
        assert code == 0
    assert clients.failed == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
def test_a_killed_worker_takes_only_its_own_requests_with_it(grey: Bundle) -> None:
    with running(grey.path, workers=2) as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        wait_until(lambda: len(children.read_text().split()) == 2, 30)
        with Clients(server, 6) as clients:
            wait_until(lambda: clients.answered > 100, 60)
            old = children.read_text().split()
            os.kill(int(old[0]), signal.SIGKILL)
            wait_until(lambda: len(new := children.read_text().split()) == 2 and new != old, 30)
            before = clients.answered
            wait_until(lambda: clients.answered > before + 100, 60)
    assert len(clients.failed) <= 6  # one a connection, at most
    assert all("RemoteProtocolError" in one or "ReadError" in one or "WriteError" in one for one in clients.failed)
