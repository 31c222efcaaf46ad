"""One shape for every error of every endpoint."""

import io
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from PIL import Image

from eyas.bundle import Bundle
from eyas.core.errors import ServingError
from eyas.core.schema import ServeConfig
from eyas.serve.app import create_app
from eyas.serve.http import Problem
from eyas.serve.model import Model
from support.asgi import Client, asgi_client

GZIPPED = {"Content-Type": "image/png", "Content-Encoding": "gzip"}
FORM = "application/x-www-form-urlencoded"
GETS = ("/health", "/livez", "/readyz", "/model-info", "/openapi.json", "/docs")


def bomb() -> bytes:
    """A PNG whose header announces 20,000 × 20,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return start + struct.pack(">I", 100) + b"IDAT" + bytes(104)


def png(size: tuple[int, int] = (8, 8)) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise(size, 60).save(stream, "PNG")
    return stream.getvalue()


def ico() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (16, 16)).save(stream, "ICO")
    return stream.getvalue()


def raw(content: bytes, kind: str = "image/png") -> dict[str, Any]:
    return {"content": content, "headers": {"Content-Type": kind}}


def parts(**files: bytes) -> dict[str, Any]:
    return {"files": {name: (f"{name}.png", content) for name, content in files.items()}}


ERRORS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/predct", {}, 404, "did you mean /predict?"),
    ("GET", "/a%0d%0ab", {}, 404, "there is no endpoint"),
    ("GET", "/predict", {}, 405, "/predict takes POST, got GET"),
    *(("POST", path, {}, 405, f"{path} takes GET, HEAD, got POST") for path in GETS),
    ("POST", "/predict", raw(b"{", "application/json"), 400, "not valid JSON"),
    ("POST", "/predict", raw(b"", "application/json"), 400, "not valid JSON"),
    ("POST", "/predict", raw(b"x", "multipart/form-data"), 400, "boundary"),
    ("POST", "/predict", raw(b"not a form", "multipart/form-data; boundary=x"), 400, ""),
    ("POST", "/predict", raw(b" " * 100_001, "application/json"), 413, "at most 100,000 bytes"),
    ("POST", "/predict", raw(b" " * 100_001, "image/png"), 413, "at most 100,000 bytes"),
    ("POST", "/predict", parts(a=b" " * 100_001), 413, "at most 100,000 bytes"),
    ("POST", "/predict", raw(bomb()), 413, "at most 10,000 are decoded"),
    ("POST", "/predict", raw(png((101, 100))), 413, "101×100 pixels; at most 10,000"),
    ("POST", "/predict", parts(good=png(), evil=bomb()), 413, "the part evil (evil.png): "),
    ("POST", "/predict", parts(a=png((80, 80)), b=png((60, 60)), c=png((1, 1))), 413, "the part c (c.png): the image"),
    ("POST", "/predict", parts(a=png((80, 80)), b=png((61, 60))), 413, "3,600 are decoded, of 10,000 for the whole"),
    ("POST", "/predict", {"content": b"{}"}, 415, "got none"),
    ("POST", "/predict", raw(b"data=1", FORM), 415, "add -H 'Content-Type: application/json'"),
    ("POST", "/predict", raw(b"x", "text/plain"), 415, "got text/plain"),
    ("POST", "/predict", raw(b"x") | {"headers": GZIPPED}, 415, "got Content-Encoding: gzip"),
    ("POST", "/predict", {"json": {"data": []}}, 422, "must not be empty"),
    ("POST", "/predict", {"json": {"dat": []}}, 422, "did you mean data?"),
    ("POST", "/predict", {"json": {"data": [[0.5] * 64] * 9}}, 422, "at most 8 images, got 9"),
    ("POST", "/predict", raw(b""), 422, "the image file is empty"),
    ("POST", "/predict", raw(b"hello"), 422, "not an image in a known format"),
    ("POST", "/predict", raw(ico(), "image/x-icon"), 422, "not an image in a known format"),
    ("POST", "/predict", raw(png((32, 32))[:-80]), 422, "the image is damaged"),
    ("POST", "/predict", parts(good=png(), torn=png((32, 32))[:-80]), 422, "the part torn (torn.png): the image is d"),
    ("POST", "/predict", {"files": {"f": (None, "text")}}, 422, "the part f must be an image file"),
    ("POST", "/predict", parts(**{f"f{n}": b"x" for n in range(9)}), 422, "at most 8 images, got more"),
    ("POST", "/predict", raw(b"--x--\r\n", "multipart/form-data; boundary=x"), 422, "at least one image file"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status", "detail"),
    ERRORS,
    ids=[f"{n}-{e[0]}-{e[3]}" for n, e in enumerate(ERRORS)],
)
def test_every_error_has_the_one_shape(
    client: Client, method: str, path: str, arguments: dict[str, Any], status: int, detail: str
) -> None:
    arguments = arguments | {"headers": arguments.get("headers", {}) | {"X-Request-ID": "id-1"}}
    response = client.request(method, path, **arguments)
    problem = response.json()
    assert response.status_code == problem["status"] == status, problem
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == problem["request_id"] == "id-1"
    assert problem.keys() - {"pointer"} == {"type", "title", "status", "detail", "instance", "request_id"}
    assert problem["type"].removeprefix("/docs#") in client.get("/docs").text
    assert detail in problem["detail"]
    if status == 405:
        assert response.headers["Allow"]


def test_a_fault_in_json_has_a_pointer(client: Client) -> None:
    problem = client.post("/predict", json={"data": [[0.5] * 17 + [3.2] + [0.5] * 46]}).json()
    assert problem["pointer"] == "/data/0/17"
    assert problem["detail"] == '/data/0/17 must be in [0, 1], got 3.2; send "range": 255 for bytes'


def test_a_full_service_says_so_and_recovers(grey: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, done, predict = threading.Semaphore(0), threading.Event(), Model.predict

    def slow(self: Model, images: Any, *, cam: bool = False) -> Any:
        begun.release()
        assert done.wait(30)
        return predict(self, images)

    monkeypatch.setattr(Model, "predict", slow)
    monkeypatch.setattr(Model, "_probe", lambda self: (1.0, 1.0))  # so long that it runs in a thread
    body = {"json": {"data": [0.5] * 64}}
    app = create_app(grey, ServeConfig(max_wait_seconds=0.5))
    with asgi_client(app) as client, ThreadPoolExecutor(3) as pool:
        pending = [pool.submit(client.post, "/predict", **body)]
        try:
            assert begun.acquire(timeout=30)  # it runs; one more may wait, whatever it costs
            pending += [pool.submit(client.post, "/predict", **body) for _ in range(2)]
            wait(pending, return_when="FIRST_COMPLETED", timeout=30)
            (refused,) = [one.result() for one in pending if one.done()]
            assert refused.status_code == refused.json()["status"] == 503
            assert refused.headers["Content-Type"] == "application/problem+json"
            assert refused.headers["Retry-After"] == "2"  # the second that waits, and the time to read it
            assert refused.headers["X-Request-ID"] == refused.json()["request_id"]
            assert client.get("/livez").json() == {"status": "alive"}
        finally:
            done.set()
        assert sorted(one.result(30).status_code for one in pending) == [200, 200, 503]
        assert client.post("/predict", **body).status_code == client.get("/readyz").status_code == 200


def test_a_problem_belongs_to_the_one_tree() -> None:
    assert issubclass(Problem, ServingError)


def test_our_own_fault_hides_its_cause(grey: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(Model, "predict", fail)
    with asgi_client(create_app(grey, ServeConfig())) as client:
        response = client.post("/predict", json={"data": [0.5] * 64}, headers={"X-Request-ID": "id-1"})
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == "id-1"
    assert "id-1" in response.json()["detail"]
    assert "secret" not in response.text
