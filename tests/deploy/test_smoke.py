"""`eyas smoke` against real servers: the right one, others, a slow one, a dead one, and what is no eyas at all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eyas.core.errors import ConfigError
from eyas.deploy.smoke import CHECKS, Service
from support.json_server import as_json, serving
from support.live import Live, eyas, live_servers
from support.server import free_port, running
from support.tokens import SECRET, token


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_servers(tmp_path_factory.mktemp("live")) as made:
        yield made


def report(url: str, bundle: Path, *words: object, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    said = eyas("smoke", url, "--bundle", bundle, "--requests", 5, "--json", *words, code=code, env=env)
    found: dict[str, Any] = json.JSONDecoder().raw_decode(said)[0]
    assert found["passed"] == (code == 0)
    return {check["name"]: check for check in found["checks"]}


def failed(found: dict[str, Any]) -> set[str]:
    return {name for name, check in found.items() if not check["passed"]}


def test_the_right_service_passes(live: Live) -> None:
    found = report(live.urls["old"], live.bundles["old"], "--latency-ms", 5000)
    assert [*found] == [*CHECKS]
    assert failed(found) == set()
    assert found["version"]["said"] == "1"
    assert found["a bad request"]["said"].endswith("application/problem+json")
    said = eyas("smoke", live.urls["old"], "--bundle", live.bundles["old"], "--requests", 5, "--wait", 1)
    assert said.count(" ok ") == len(CHECKS)


def test_another_version_fails(live: Live) -> None:
    found = report(live.urls["old"], live.bundles["new"], code=7)
    assert failed(found) == {"version", "golden predictions"}
    assert found["version"]["said"] == "must be 2, is 1"


def test_the_same_version_with_other_answers_fails(live: Live) -> None:
    found = report(live.urls["wrong"], live.bundles["new"], code=7)
    assert failed(found) == {"golden predictions"}
    assert "more than 1e-04" in found["golden predictions"]["said"]


def test_a_slow_service_fails(live: Live) -> None:
    found = report(live.urls["old"], live.bundles["old"], "--latency-ms", 0.001, code=7)
    assert failed(found) == {"latency"}
    assert found["latency"]["said"].endswith("of 5 requests, more than 0.001 ms")


def test_a_dead_service_is_asked_once(live: Live) -> None:
    said = eyas("smoke", f"http://127.0.0.1:{free_port()}", "--bundle", live.bundles["old"], code=7)
    assert said.count("not asked") == len(CHECKS) - 1
    assert "GET http://127.0.0.1" in said


def test_what_is_no_eyas_fails(live: Live) -> None:
    with serving(lambda asked: (200, "text/html", b"<h1>welcome</h1>")) as url:
        found = report(url, live.bundles["old"], code=7)
    assert failed(found) == {"version", "golden predictions", "a bad request", "metrics"}
    with serving(lambda asked: as_json(502, {"detail": "no such host"})) as url:
        found = report(url, live.bundles["old"], code=7)
    assert failed(found) == {*CHECKS}
    assert found["ready"]["said"] == "must be answered with 200, got 502: no such host"


def test_tokens_and_headers_go_along_and_are_not_told(live: Live, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with running(live.bundles["old"], workers=1, auth={"secret_file": str(secret)}) as server:
        found = report(server.url, live.bundles["old"], code=7)
        assert failed(found) == {"golden predictions", "a bad request", "latency"}
        assert "the token is missing" in found["a bad request"]["said"]
        mine = token()
        said = eyas("smoke", server.url, "--bundle", live.bundles["old"], "--requests", 2, env={"EYAS_TOKEN": mine})
        assert mine not in said
        as_header = ("--header", f"Authorization: Bearer {mine}")
        assert failed(report(server.url, live.bundles["old"], *as_header)) == set()


def test_a_url_or_header_that_is_none_is_refused(live: Live) -> None:
    for url in ("localhost:5000", "ftp://host", "http://user:word@host", "http://host/?a=1"):
        assert "URL must be http://HOST:PORT" in eyas("smoke", url, "--bundle", live.bundles["old"], code=2)
    said = eyas("smoke", "http://host", "--bundle", live.bundles["old"], "--header", "X-Key secret", code=2)
    assert "--header must be" in said
    assert "secret" not in said


def test_address_and_token_go_by_the_client_s_rule() -> None:
    with pytest.raises(ConfigError, match="URL must be http://HOST:PORT"):
        Service("http://127.0.0.1:70000")
    with Service(" http://127.0.0.1:5000/ ", token="of-a-file\n") as service:
        assert service.url == "http://127.0.0.1:5000"
