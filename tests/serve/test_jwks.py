"""Tokens by an issuer's public keys, from a file or a real server: rotation, confusion, and a server that is gone."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from eyas.bundle import Bundle
from eyas.core.config import load_config
from eyas.core.errors import ConfigError
from eyas.core.schema import AuthConfig, ServeConfig
from eyas.serve.app import create_app
from eyas.serve.trust import fetch, keys
from eyas.serve.trust.keys import KeySet
from support.asgi import Client, asgi_client
from support.server import running
from support.tokens import KeyServer, bearing, claims, entry, key_server, private_key, token

BODY = {"data": [0.5] * 64}
ALGORITHMS = ("RS256", "ES256")


@pytest.fixture
def issuer() -> Iterator[KeyServer]:
    with key_server() as made:
        made.keys = [entry(private_key("ES256"), "ES256", kid="one")]
        yield made


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys may be fetched again without a pause."""
    monkeypatch.setattr(keys, "RETRY_SECONDS", 0.0)


def guarded(grey: Bundle, place: str | Path, algorithm: str = "ES256", **auth: Any) -> Any:
    """A client of an app that takes tokens by the keys in this place."""
    config = AuthConfig(algorithm=algorithm, jwks=str(place), **auth)
    return asgi_client(create_app(grey, ServeConfig(auth=config)))


def status(client: Client, text: str) -> int:
    code: int = client.post("/predict", json=BODY, headers=bearing(text)).status_code
    return code


def signed(number: int = 0, kid: str | None = "one", algorithm: str = "ES256", **said: Any) -> str:
    return token(private_key(algorithm, number), algorithm, kid, **said)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_by_a_key_in_a_file(grey: Bundle, tmp_path: Path, algorithm: str) -> None:
    other = {"RS256": "ES256", "ES256": "RS256"}[algorithm]
    listed = [entry(private_key(kind), kind, kid=kind) for kind in (other, algorithm)]
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": listed}))
    with guarded(grey, file, algorithm) as client:
        assert status(client, signed(kid=algorithm, algorithm=algorithm)) == 200
        assert status(client, signed(kid=None, algorithm=algorithm)) == 200  # the only one that fits
        assert status(client, signed(1, kid=algorithm, algorithm=algorithm)) == 401
        assert status(client, signed(kid=other, algorithm=other)) == 401  # a key that is there, for what is not pinned
        assert status(client, token(None, "none")) == 401


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_is_no_secret(grey: Bundle, tmp_path: Path, algorithm: str) -> None:
    """The confusion of HS256 with the others: whoever knows the public key signs with it as if it were a secret."""
    public = entry(private_key(algorithm), algorithm, kid="one")
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [public]}))
    pem = private_key(algorithm).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with guarded(grey, file, algorithm) as client:
        for secret in (pem, pem.strip(), json.dumps(public).encode()):
            head, payload = ({"alg": "HS256", "kid": "one"}, claims())
            parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, payload)]
            mac = hmac.new(secret, b".".join(parts), hashlib.sha256).digest()
            forged = b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()
            assert status(client, forged) == 401


def test_a_token_that_carries_its_own_key_is_not_believed(grey: Bundle, issuer: KeyServer) -> None:
    import jwt

    mine = private_key("ES256", 7)
    head = {"kid": "mine", "jwk": entry(mine, "ES256", kid="mine"), "jku": "http://127.0.0.1:1/keys"}
    with guarded(grey, issuer.url) as client:
        assert status(client, jwt.encode(claims(), mine, "ES256", headers=head)) == 401


def test_a_new_key_is_taken_when_a_token_names_it(grey: Bundle, issuer: KeyServer, at_once: None) -> None:
    with guarded(grey, issuer.url) as client:
        assert status(client, signed()) == 200
        assert issuer.asked == 1
        issuer.keys = [entry(private_key("ES256", 2), "ES256", kid="two")]
        assert status(client, signed(2, "two")) == 200
        assert status(client, signed(sub="bob")) == 200  # the old key's time of grace
        assert status(client, signed(2, "one")) == 401
        assert issuer.asked == 2


def test_made_up_keys_make_no_flood(grey: Bundle, issuer: KeyServer) -> None:
    with guarded(grey, issuer.url) as client:
        assert {status(client, signed(kid=f"made up {number}")) for number in range(20)} == {401}
        assert issuer.asked == 1  # it was read only just now
        assert status(client, signed()) == 200


def test_who_waits_for_a_key_waits_for_one_fetch_and_holds_up_nobody(
    grey: Bundle, issuer: KeyServer, at_once: None
) -> None:
    with guarded(grey, issuer.url) as client, ThreadPoolExecutor(8) as pool:
        issuer.keys = [entry(private_key("ES256", 2), "ES256", kid="two")]
        issuer.go.clear()
        waiting = [pool.submit(status, client, signed(2, "two", sub=f"user-{number}")) for number in range(8)]
        deadline = time.monotonic() + 10
        while issuer.asked < 2:
            assert time.monotonic() < deadline
        assert client.get("/livez").status_code == 200
        assert status(client, signed()) == 200
        assert not any(one.done() for one in waiting)
        issuer.go.set()
        assert {one.result(20) for one in waiting} == {200}
        assert issuer.asked == 2


def test_a_server_of_keys_that_hangs_is_waited_for_briefly(
    grey: Bundle, issuer: KeyServer, at_once: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.2)
    with guarded(grey, issuer.url) as client:
        issuer.go.clear()
        began = time.monotonic()
        assert status(client, signed(2, "two")) == 401
        assert time.monotonic() - began < 5
        assert status(client, signed()) == 200
    assert "the keys of before stay" in caplog.text


def test_a_dead_server_of_keys_leaves_those_of_before(grey: Bundle, at_once: None) -> None:
    with key_server() as server:
        server.keys = [entry(private_key("ES256"), "ES256", kid="one")]
        app = create_app(grey, ServeConfig(auth=AuthConfig(algorithm="ES256", jwks=server.url)))
    with asgi_client(app) as client:
        assert status(client, signed(2, "two")) == 401
        assert status(client, signed()) == 200


@pytest.mark.parametrize("grace", [0.0, 600.0])
def test_a_key_that_left_the_set_is_held_for_its_time_of_grace(issuer: KeyServer, at_once: None, grace: float) -> None:
    async def rotate() -> tuple[bool, bool]:
        held = KeySet(issuer.url, "ES256", grace)
        issuer.keys = [entry(private_key("ES256", 2), "ES256", kid="two")]
        renewal = held.renewal()
        assert renewal is not None
        await renewal
        return held.find("one") is not None, held.find("two") is not None

    assert asyncio.run(rotate()) == (grace > 0, True)


def test_keys_that_are_old_are_fetched_again_beside_the_requests(
    issuer: KeyServer, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "REFRESH_SECONDS", 0.0)

    async def ask() -> None:
        held = KeySet(issuer.url, "ES256", 0.0)
        issuer.keys = [entry(private_key("ES256", 2), "ES256", kid="two")]
        assert held.find("one") is not None  # at once, with what is there
        deadline = time.monotonic() + 10
        while held.find("one") is not None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0)

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it must be a JWK set"),
        (b"[]", "it must be a JWK set"),
        (b'{"keys": 7}', "it must hold a key for RS256"),
        (b'{"keys": []}', "it must hold a key for RS256"),
        (b'{"keys": [7, {}, {"kty": "RSA"}, {"kty": "RSA", "n": "AQ", "e": "AQ"}]}', "it must hold a key for RS256"),
        (b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "it must hold a key for RS256"),
        (b"[" * 200_000, "it must be a JWK set"),
        (b" " * 300_000, "it must be at most 262,144 bytes"),
    ],
)
def test_what_is_no_set_of_keys_is_told(issuer: KeyServer, tmp_path: Path, content: bytes, says: str) -> None:
    issuer.raw = content
    file = tmp_path / "keys.json"
    file.write_bytes(content)
    for place in (issuer.url, str(file)):
        with pytest.raises(ConfigError, match=f"serve.auth.jwks=.* gives no keys: {says}"):
            KeySet(place, "RS256", 0)


def test_a_weak_key_and_keys_for_something_else_are_left_out(tmp_path: Path) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    good = private_key("RS256")
    listed = [
        entry(weak, "RS256", kid="weak"),
        entry(good, "RS256", kid="encryption", use="enc"),
        entry(good, "RS256", kid="another", alg="RS512"),
        entry(good, "RS256", kid="good", alg="RS256"),
    ]
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": listed}))
    held = KeySet(str(file), "RS256", 0)
    assert [name for name in ("weak", "encryption", "another", "good") if held.find(name)] == ["good"]


def test_no_keys_at_the_start_no_server(tmp_path: Path, issuer: KeyServer) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        KeySet(str(tmp_path / "none"), "ES256", 0)
    with key_server() as gone:
        pass
    with pytest.raises(ConfigError, match="Connection refused"):
        KeySet(gone.url, "ES256", 0)
    issuer.redirect = "http://127.0.0.1:1/"
    with pytest.raises(ConfigError, match="302"):
        KeySet(issuer.url, "ES256", 0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["jwks=http://example.com/keys"], "serve.auth.jwks must be a file or an https URL"),
        (["jwks=ftp://127.0.0.1/keys"], "serve.auth.jwks must be a file or an https URL"),
        (["jwks=https:///keys"], "serve.auth.jwks must be a file or an https URL"),
        (["algorithm=RS256"], "serve.auth must have jwks"),
        (["jwks=keys.json"], "serve.auth must have algorithm RS256 or ES256"),
        (["algorithm=ES256", "jwks=keys.json", "secret_file=s"], "serve.auth must have jwks, and no secret_file"),
        (["algorithm=none"], "serve.auth.algorithm must be 'HS256', 'RS256' or 'ES256', got 'none'"),
        (["secret=hunter2"], "unknown key serve.auth.secret .*: did you mean serve.auth.secret_file?"),
    ],
)
def test_a_configuration_that_does_not_hold_together(words: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        load_config(None, [f"serve.auth.{word}" for word in words])
    assert "hunter2" not in str(caught.value)


def test_a_real_server_reads_the_keys_once_for_all_workers(grey: Bundle, issuer: KeyServer) -> None:
    auth = {"algorithm": "ES256", "jwks": issuer.url, "issuer": "https://issuer.test", "audience": "cats"}
    said: dict[str, Any] = {"iss": "https://issuer.test", "aud": "cats"}
    with running(grey.path, workers=2, auth=auth) as server:
        assert issuer.asked == 1
        good = httpx.post(f"{server.url}/predict", json=BODY, headers=bearing(signed(**said)))
        bad = httpx.post(f"{server.url}/predict", json=BODY, headers=bearing(signed()))
    assert (good.status_code, bad.status_code) == (200, 401)
