"""The admin endpoints: who may ask, where, what comes of it, and what is written down."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from eyas.bundle import Bundle, Repository
from eyas.core.schema import AuthConfig, ServeConfig
from eyas.serve.app import build_app
from eyas.serve.asking import Ask, Asking, Told
from eyas.serve.http import Application
from eyas.serve.metrics import Meter, Tables
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.service import Service
from eyas.serve.trust import open_gate
from support.asgi import asgi_client
from support.bundles import make_bundle
from support.server import Server, free_port, running
from support.tokens import SECRET, bearing, token

PATHS = [
    ("GET", "/admin/models"),
    ("POST", "/admin/models/digits/live"),
    ("POST", "/admin/models/digits/rollback"),
    ("POST", "/admin/reload"),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("admin")
    made = Repository(folder / "models")
    for version in ("1", "2"):
        made.publish(make_bundle(folder / version, version=version).path, live=version == "1", by="the fixture")
    return made


@pytest.fixture
def private(repository: Repository) -> Iterator[tuple[Server, str]]:
    """A server with a port for its admins, and the URL of that one."""
    port = free_port()
    with running(repository.path, workers=2, threads=1, admin=True, admin_port=port, poll_seconds=0) as server:
        yield server, f"http://127.0.0.1:{port}"


def asked(url: str, method: str, path: str, **arguments: Any) -> httpx.Response:
    if path.endswith("/live") and "content" not in arguments:
        arguments = {"json": {"version": "1"}} | arguments
    return httpx.request(method, url + path, timeout=30, **arguments)


def test_from_end_to_end(private: tuple[Server, str], repository: Repository) -> None:
    server, url = private
    assert {asked(server.url, method, path).status_code for method, path in PATHS} == {404}  # not on the other port
    found = asked(url, "GET", "/admin/models").json()
    assert (found["repository"], found["doing"]) == (str(repository.path), None)
    assert [worker["state"] for worker in found["workers"]] == ["ready", "ready"]
    (model,) = found["models"]
    assert (model["model"], model["live"], model["pointer"], model["by"]) == ("digits", "1", "1", "the fixture")
    assert [(one["version"], one["stored"], one["loaded"]) for one in model["versions"]] == [
        ("1", True, True),
        ("2", True, False),
    ]

    answer = asked(url, "POST", PATHS[1][1], json={"version": "2"}, headers={"X-Request-ID": "forward-1"})
    assert (answer.status_code, answer.json()["live"], answer.json()["before"]) == (200, "2", ["1"])
    assert httpx.get(f"{server.url}/health").json()["version"] == "2"
    assert repository.live("digits").by == "http from 127.0.0.1"
    assert asked(url, "POST", PATHS[2][1]).json()["live"] == "1"
    again = asked(url, "POST", PATHS[2][1])
    assert (again.status_code, "that was live before" in again.json()["detail"]) == (409, True)
    repository.set_live("digits", "2")
    assert httpx.get(f"{server.url}/health").json()["version"] == "1"  # it does not look by itself
    assert asked(url, "POST", "/admin/reload").json()["models"][0]["live"] == "2"
    assert asked(url, "POST", PATHS[1][1], json={"version": "1"}).status_code == 200

    code, err = server.stop()
    assert code == 0
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert [(line["action"], line["status"]) for line in lines] == [
        ("live", 200),
        ("rollback", 200),
        ("rollback", 409),
        ("reload", 200),
        ("live", 200),
    ]
    first = lines[0]
    assert first.pop("time").startswith("20")
    assert first == {
        "action": "live",
        "status": 200,
        "model": "digits",
        "version": "2",
        "request_id": "forward-1",
        "subject": None,
        "address": "127.0.0.1",
    }


@pytest.fixture(scope="module")
def open_server(repository: Repository) -> Iterator[Server]:
    with running(repository.path, workers=1, threads=1, admin=True) as server:
        yield server


@pytest.mark.parametrize(
    ("path", "content", "status", "said"),
    [
        ("/admin/models/digits/live", b"{", 400, "the body is not valid JSON"),
        ("/admin/models/digits/live", b"[]", 422, 'the body must be {"version": "\u2026"}'),
        ("/admin/models/digits/live", b"{}", 422, "missing required field `version`"),
        ("/admin/models/digits/live", b'{"version": 1}', 422, "Expected `str`"),
        ("/admin/models/digits/live", b'{"version": "1", "x": 1}', 422, "unknown field `x`"),
        ("/admin/models/digits/live", b'{"version": "3"}', 404, "digits has no version 3"),
        ("/admin/models/digits/live", b'{"version": "../../x"}', 404, "a version's name must be"),
        ("/admin/models/none/live", b'{"version": "1"}', 404, "there is no model none"),
        ("/admin/models/.lock/live", b'{"version": "1"}', 404, "a model's name must be"),
        ("/admin/models/none/rollback", b"", 404, "there is no model none"),
    ],
)
def test_what_cannot_be_is_said(open_server: Server, path: str, content: bytes, status: int, said: str) -> None:
    answer = asked(open_server.url, "POST", path, content=content)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_page_in_a_browser_cannot_ask(open_server: Server, method: str, path: str) -> None:
    answer = asked(open_server.url, method, path, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403
    assert "https://elsewhere.example is one" in answer.json()["detail"]


def test_the_document_describes_them_and_no_one_model(open_server: Server) -> None:
    spec = httpx.get(f"{open_server.url}/openapi.json").json()
    assert {path for _, path in PATHS} - {*spec["paths"]} == {
        "/admin/models/digits/live",
        "/admin/models/digits/rollback",
    }
    assert "/admin/models/{model}/live" in spec["paths"]
    assert spec["info"]["title"] == "eyas: image classification"
    body = spec["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "the shape that its /model-info says" in body["anyOf"][0]["properties"]["data"]["description"]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_there_are_none_unless_they_are_wanted(server: Server, method: str, path: str) -> None:
    assert asked(server.url, method, path).status_code == 404


def app(bundle: Bundle, config: ServeConfig) -> Application:
    """In this process: questions to the supervisor are answered by an echo."""
    asking = Asking(lambda ask: asking.told(echo(ask)))
    models = Models()
    models.put("digits", Model(bundle, 1))
    tables = Tables(1)
    return build_app(Service(models, config, Meter(tables.counts(0)), asking), tables, open_gate(config))


def echo(ask: Ask) -> Told:
    return Told(ask.number, 200)


def test_who_is_turned_away_is_written_down_too(grey: Bundle, tmp_path: Path) -> None:
    secret, file = tmp_path / "secret", tmp_path / "audit.jsonl"
    secret.write_text(SECRET)
    config = ServeConfig(admin=True, audit_file=str(file), auth=AuthConfig(secret_file=str(secret)))
    with asgi_client(app(grey, config)) as client:
        assert client.post("/admin/reload").status_code == 401
        assert client.get("/admin/models", headers=bearing(token(sub="bob"))).status_code == 403
        assert client.post("/predict", json={"data": [0.5] * 64}).status_code == 401  # not what admins do
        assert client.post("/admin/reload", headers=bearing(token(scope="admin"))).status_code == 200
    unknown, bob, done = map(json.loads, file.read_text().splitlines())
    assert (unknown["action"], unknown["method"], unknown["path"]) == ("refused", "POST", "/admin/reload")
    assert (unknown["status"], unknown["subject"]) == (401, None)
    assert "takes an access token" in unknown["detail"]
    assert (bob["action"], bob["path"], bob["status"], bob["subject"]) == ("refused", "/admin/models", 403, "bob")
    assert bob["detail"] == "the access token must be for admin"
    assert (done["action"], done["status"], done["subject"]) == ("reload", 200, "ann")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200),
        ("127.8.8.8", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.0.0.1", 403),
        ("::ffff:10.0.0.1", 403),
        ("2001:db8::1", 403),
        ("", 403),
        ("localhost", 403),
    ],
)
def test_without_authentication_they_answer_this_machine_alone(grey: Bundle, address: str, status: int) -> None:
    application = app(grey, ServeConfig(admin=True))

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(application, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            json = {"json": {"version": "1"}}
            return [(await client.request(m, p, **(json if "live" in p else {}))).status_code for m, p in PATHS]

    with start_blocking_portal() as portal:
        assert portal.call(ask) == [status] * 4
