"""Rollouts over the admin endpoints of a real service: started, moved, refused, written down."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from eyas.bundle import Repository
from eyas.rollout import rollouts_of
from support import defects
from support.bundles import make_bundle
from support.server import Server, free_port, running

ROLLOUT = "/admin/models/digits/rollout"
MOVES = ("pause", "resume", "advance", "promote", "rollback")
PATHS = [("GET", ROLLOUT), ("POST", ROLLOUT), *(("POST", f"{ROLLOUT}/{move}") for move in MOVES)]
BEGIN: dict[str, Any] = {"challenger": "2", "why": "a trial", "ungated": True, "stages": [0.5, 1.0]}


def publish(folder: Path) -> Repository:
    """1 is live; 2 answers as it does; `wrong` does not give its golden answers."""
    made = Repository(folder / "models")
    for version in ("1", "2"):
        made.publish(make_bundle(folder / version, version=version).path, live=version == "1")
    defects.wrong_golden(make_bundle(folder / "wrong", version="wrong").path)
    made.publish(folder / "wrong")
    return made


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Nobody promotes anything in it."""
    return publish(tmp_path_factory.mktemp("rollouts"))


@pytest.fixture(scope="module")
def server(repository: Repository) -> Iterator[Server]:
    with serving(repository) as made:
        yield made


def serving(repository: Repository, **more: Any) -> Any:
    """It never looks at the repository by itself."""
    return running(repository.path, workers=2, threads=1, admin=True, poll_seconds=0, **more)


def asked(server: Server, path: str = "", body: Any = None, *, method: str = "POST", **more: Any) -> httpx.Response:
    content = {} if body is None else {"json": body}
    return httpx.request(method, f"{server.url}{ROLLOUT}{path}", **{"timeout": 30, **content, **more})


def moved(server: Server, move: str, **body: Any) -> dict[str, Any]:
    answer = asked(server, f"/{move}", {"why": f"to {move}", **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def versions(server: Server) -> set[str]:
    """That answered some users."""
    image = {"data": [0.5] * 64}
    with httpx.Client(base_url=server.url) as client:
        answers = [client.post("/predict", json=image, headers={"X-User-Id": f"u{n}"}) for n in range(30)]
    return {answer.json()["version"] for answer in answers}


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """As another writer holds it."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def own(tmp_path: Path) -> Repository:
    return publish(tmp_path)


def test_from_a_start_to_the_end(own: Repository) -> None:
    with serving(own) as server:
        from_a_start_to_the_end(server, own)


def from_a_start_to_the_end(server: Server, repository: Repository) -> None:
    assert asked(server, method="GET").status_code == 404
    begun = asked(server, body=BEGIN)
    assert begun.status_code == 200, begun.text
    found = begun.json()
    assert (found["status"], found["stage"], found["share"], found["plan"]["gated"]) == ("running", 1, 0.5, False)
    assert "salt" not in found["plan"]
    assert versions(server) == {"1", "2"}  # at once
    again = asked(server, body=BEGIN)
    assert (again.status_code, "is running; end it" in again.json()["detail"]) == (409, True)

    assert moved(server, "pause")["status"] == "paused"
    refused = asked(server, "/advance", {"why": "now"})
    assert (refused.status_code, "is paused and cannot advance" in refused.json()["detail"]) == (409, True)
    moved(server, "resume")
    assert moved(server, "advance")["share"] == 1.0
    assert versions(server) == {"2"}
    refused = asked(server, "/promote", {"why": "I like it"})
    assert (refused.status_code, "was started without the gate" in refused.json()["detail"]) == (409, True)
    done = moved(server, "promote", force=True)
    assert [move["move"] for move in done["history"]] == ["start", "pause", "resume", "advance", "promote"]
    assert {move["by"] for move in done["history"]} == {"http from 127.0.0.1"}
    assert done["history"][-1]["why"] == ["to promote", "forced, though nothing shows that it is no worse"]
    assert httpx.get(f"{server.url}/health").json()["version"] == "2"
    assert repository.live("digits").version == "2"  # type: ignore[union-attr]
    assert asked(server, method="GET").json() == done
    assert len(rollouts_of(repository, "digits").history()) == 5

    begun = asked(server, body={**BEGIN, "challenger": "1", "mode": "shadow", "stages": [1]})
    assert (begun.status_code, begun.json()["number"]) == (200, 2)
    assert moved(server, "rollback")["status"] == "rolled back"
    assert versions(server) == {"2"}


def test_a_challenger_that_cannot_be_served_is_said(server: Server) -> None:
    for _ in range(2):  # what was refused is tried again
        answer = asked(server, body={**BEGIN, "challenger": "wrong"})
        assert (answer.status_code, "golden answers" in answer.json()["detail"]) == (409, True)
    assert asked(server, method="GET").json()["status"] == "rolled back"


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("", {**BEGIN, "ungated": False}, 422, "the gate needs test images, so that only `eyas rollout start` asks it"),
        ("", {"challenger": "2", "why": "x"}, 422, "missing required field `ungated`"),
        ("", {**BEGIN, "why": ""}, 422, "why"),
        ("", {**BEGIN, "gated": True}, 422, "gated of a rollout must be left out"),
        ("", {**BEGIN, "champion": "1"}, 422, "champion of a rollout must be left out"),
        ("", {**BEGIN, "salt": "known to me alone"}, 422, "salt of a rollout must be left out"),
        ("", {**BEGIN, "threshold": 1}, 422, "unknown key threshold of a rollout"),
        ("", {**BEGIN, "margin": "0.1"}, 422, "margin"),
        ("", {**BEGIN, "stage_requests": 10**30}, 200, ""),
        ("", {**BEGIN, "stages": [0.5, 0.1]}, 422, "stages must be shares that rise"),
        ("", {**BEGIN, "challenger": "7"}, 404, "digits has no version 7"),
        ("/pause", {}, 422, "missing required field `why`"),
        ("/pause", {"why": "x", "force": True}, 422, "unknown field `force`"),
        ("/promote", {"why": "x", "force": 1}, 422, "force"),
    ],
)
def test_what_cannot_be_is_answered(server: Server, path: str, body: Any, status: int, said: str) -> None:
    answer = asked(server, path, body)
    assert answer.status_code == status, answer.text
    if status == 200:
        moved(server, "rollback")
    else:
        assert said in answer.json()["detail"]


def test_no_json_and_no_such_model(server: Server) -> None:
    url = f"{server.url}/admin/models"
    assert httpx.post(f"{url}/digits/rollout/pause", content=b"{").status_code == 400
    for answer in (httpx.get(f"{url}/none/rollout"), httpx.post(f"{url}/none/rollout/pause", json={"why": "x"})):
        assert (answer.status_code, "there is no model none" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_who_may_not(server: Server, method: str, path: str) -> None:
    answer = httpx.request(method, server.url + path, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403


def test_the_document_describes_them(server: Server) -> None:
    spec = httpx.get(f"{server.url}/openapi.json").json()
    described = {(method.upper(), path) for path, methods in spec["paths"].items() for method in methods}
    assert {(method, path.replace("digits", "{model}")) for method, path in PATHS} <= described
    ids = [one["operationId"] for methods in spec["paths"].values() for one in methods.values()]
    assert len(ids) == len({*ids})
    start = spec["paths"][ROLLOUT.replace("digits", "{model}")]["post"]["requestBody"]["content"]["application/json"]
    checks = jsonschema.Draft202012Validator(start["schema"])
    window = {"long_seconds": 300, "short_seconds": 30, "factor": 14.4}
    assert checks.is_valid({**BEGIN, "windows": [window], "p95_seconds": None})
    for wrong in ({"ungated": False}, {"champion": "1"}, {"margin": "0.1"}, {"windows": [{}]}, {"threshold": 1}):
        assert not checks.is_valid({**BEGIN, **wrong}), wrong


def test_another_writer_is_not_waited_for(own: Repository) -> None:
    """The supervisor, which asks for the lock, has the workers to look after."""
    with serving(own) as server:
        lock = rollouts_of(own, "digits").folder / ".lock"
        lock.parent.mkdir()
        with held(lock):
            answer = asked(server, body=BEGIN, timeout=4)
            assert (answer.status_code, "another process has been writing" in answer.json()["detail"]) == (409, True)
        assert asked(server, body=BEGIN).status_code == 200
        with held(own.path / ".lock"):
            answer = asked(server, "/promote", {"why": "now", "force": True}, timeout=4)
            assert (answer.status_code, "another process has been writing" in answer.json()["detail"]) == (409, True)
        assert moved(server, "promote", force=True)["status"] == "promoted"


def test_on_their_own_port_and_written_down(own: Repository, tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "audit"
    with serving(own, admin_port=port, audit_file=str(file)) as other:
        assert {httpx.request(method, other.url + path).status_code for method, path in PATHS} == {404}
        admin = Server(f"http://127.0.0.1:{port}", port, other.process)
        assert asked(admin, body=BEGIN).status_code == 200
        assert asked(admin, "/promote", {"why": "now"}).status_code == 409
        moved(admin, "rollback")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["action"], line["status"], line["why"]) for line in lines] == [
        ("rollout start", 200, "a trial"),
        ("rollout promote", 409, "now"),
        ("rollout rollback", 200, "to rollback"),
    ]
    assert (lines[0]["model"], lines[0]["version"], lines[0]["plan"]) == ("digits", "2", {"stages": [0.5, 1.0]})
    assert "was started without the gate" in lines[1]["detail"]
