"""Bearer tokens by a shared secret: what gets in, what does not, and how little is said of why."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.bundle import Bundle
from eyas.core.errors import ConfigError
from eyas.core.schema import AuthConfig, ServeConfig
from eyas.serve.app import create_app
from eyas.serve.http import Problem
from eyas.serve.trust.keys import Secret, open_keys
from eyas.serve.trust.tokens import MAX_TOKEN, REMEMBERED, REMEMBERED_SECONDS, Tokens
from support.asgi import Client, asgi_client
from support.server import running
from support.tokens import SECRET, bearing, claims, private_key, token, write_key

BODY = {"data": [0.5] * 64}
INVALID = "the access token is malformed, expired, or not valid for this service"


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "secret"
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture(scope="module")
def auth(secret_file: Path) -> AuthConfig:
    return AuthConfig(secret_file=str(secret_file), leeway_seconds=0)


@pytest.fixture(scope="module")
def guarded(grey: Bundle, auth: AuthConfig) -> Iterator[Client]:
    with asgi_client(create_app(grey, ServeConfig(auth=auth))) as client:
        yield client


def raw(header: dict[str, Any] | bytes, payload: dict[str, Any] | bytes, secret: bytes = SECRET.encode()) -> str:
    """A token that is signed as it should be, whatever is in it."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed, secret)
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"scope": "feedback predict admin"},
        {"scope": None, "scopes": ["predict"]},
        {"aud": ["other", "eyas"]},
        {"exp": time.time() + 7200.5},
    ],
)
def test_a_good_token_gets_in(guarded: Client, said: dict[str, Any]) -> None:
    for _ in range(2):  # verified, then remembered
        assert guarded.post("/predict", json=BODY, headers=bearing(token(**said))).status_code == 200
    assert guarded.post("/predict", json=BODY, headers={"authorization": f"bearer  {token()}"}).status_code == 200


NOW = int(time.time())
BAD = {
    "another secret": token("another secret that is long enough"),
    "another hash": token(algorithm="HS512"),
    "no signature": jwt.encode(claims(), None, "none"),
    "no signature by another spelling": raw({"alg": "NonE"}, claims()),
    "signature cut off": token().rpartition(".")[0] + ".",
    "payload changed": token().replace(".", ".e", 1),
    "not yet": token(nbf=NOW + 3600),
    "issued in the future": token(iat=NOW + 3600),
    "for another service": token(aud="other"),
    "for nobody": token(aud=[]),
    "by another issuer": token(iss="other"),
    "by a list of issuers": raw({"alg": "HS256"}, claims(iss=["eyas"])),
    **{f"without {name}": token(**{name: None}) for name in ("exp", "aud", "iss", "sub")},
    "empty subject": token(sub=""),
    "long subject": token(sub="a" * 256),
    "subject with a line break": token(sub="ann\nroot"),
    "subject a number": raw({"alg": "HS256"}, claims(sub=7)),
    "exp a word": raw({"alg": "HS256"}, claims(exp="never")),
    "exp a number as a word": raw({"alg": "HS256"}, claims(exp=str(NOW + 7200))),
    "exp infinite": raw({"alg": "HS256"}, claims(exp=float("inf"))),
    "exp not a number": raw({"alg": "HS256"}, claims(exp=float("nan"))),
    "scope a number": raw({"alg": "HS256"}, claims(scope=1)),
    "scopes of numbers": raw({"alg": "HS256"}, claims(scope=None, scopes=[1])),
    "an extension": raw({"alg": "HS256", "crit": ["exp"], "exp": 1}, claims()),
    "detached": raw({"alg": "HS256", "b64": False, "crit": ["b64"]}, b""),
    "header a list": raw(b"[]", claims()),
    "payload a list": raw({"alg": "HS256"}, b"[]"),
    "kid a number": raw({"alg": "HS256", "kid": 1}, claims()),
    "nested deeply": raw(b"[" * 3000 + b"]" * 3000, claims()),
    "payload nested deeply": raw({"alg": "HS256"}, b'{"a":' * 900 + b"1" + b"}" * 900),
    "one part": "abc",
    "two parts": "a.b",
    "three parts of nothing": "..",
    "four parts": token() + ".a",
    "not base64": "%.%.%",
    "five parts, as if encrypted": "a.b.c.d.e",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_bad_token_is_refused_without_a_reason(guarded: Client, text: str) -> None:
    answer = guarded.post("/predict", json=BODY, headers=bearing(text))
    assert answer.status_code == 401
    assert answer.json()["detail"] == INVALID
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="eyas", error="invalid_token", '
        'error_description="The access token is malformed, expired, or not valid for this service"'
    )
    assert text not in answer.text


def test_an_expired_token_is_told_so_and_only_where_its_signature_is_good(guarded: Client) -> None:
    answer = guarded.post("/predict", json=BODY, headers=bearing(token(exp=NOW - 1)))
    assert (answer.status_code, answer.json()["detail"]) == (401, "the access token expired")
    forged = token("another secret that is long enough", exp=NOW - 1)
    assert guarded.post("/predict", json=BODY, headers=bearing(forged)).json()["detail"] == INVALID


def test_the_leeway_is_as_configured(secret_file: Path) -> None:
    auth = AuthConfig(secret_file=str(secret_file), leeway_seconds=60)
    tokens = Tokens(auth, open_keys(auth))
    assert tokens.caller(token(exp=int(time.time()) - 30).encode()).subject == "ann"
    assert tokens.caller(token(nbf=int(time.time()) + 30).encode()).subject == "ann"
    with pytest.raises(Problem, match="expired"):
        tokens.caller(token(exp=int(time.time()) - 90).encode())


def test_a_huge_token_is_refused_unread(guarded: Client) -> None:
    answer = guarded.post("/predict", json=BODY, headers=bearing(token(note="a" * MAX_TOKEN)))
    assert (answer.status_code, answer.json()["detail"]) == (401, f"the access token must be at most {MAX_TOKEN} bytes")


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"}]
)
def test_without_a_token_no_error_is_named(guarded: Client, header: dict[str, str]) -> None:
    answer = guarded.post("/predict", json=BODY, headers=header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="eyas"'
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("scope", ["", "feedback admin", "predictions", "PREDICT"])
def test_a_token_for_something_else_is_forbidden(guarded: Client, scope: str) -> None:
    answer = guarded.post("/predict", json=BODY, headers=bearing(token(scope=scope)))
    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="eyas", error="insufficient_scope", scope="predict"'


@given(
    st.binary(max_size=200).filter(lambda text: text.strip())
    | st.from_regex(rb"[\w=-]+\.[\w=-]+\.[\w=-]+", fullmatch=True)
)
def test_whatever_comes_is_a_401(text: bytes) -> None:
    auth = AuthConfig()
    with pytest.raises(Problem) as caught:
        Tokens(auth, Secret(SECRET.encode())).caller(text)
    assert caught.value.status == 401


def test_a_remembered_token_ends_when_it_expires(guarded: Client) -> None:
    short = bearing(token(exp=int(time.time()) + 2))
    assert guarded.post("/predict", json=BODY, headers=short).status_code == 200
    deadline = time.monotonic() + 10
    while (answer := guarded.post("/predict", json=BODY, headers=short)).status_code == 200:
        assert time.monotonic() < deadline
    assert answer.json()["detail"] == "the access token expired"


class Counting(Secret):
    """Keys that count how often they are asked for."""

    asked = 0

    def find(self, kid: str | None) -> Any:
        self.asked += 1
        return super().find(kid)


def test_a_token_is_verified_once_a_minute(auth: AuthConfig) -> None:
    now, counting = [time.time()], Counting(SECRET.encode())
    tokens, good = Tokens(auth, counting, clock=lambda: now[0]), token().encode()
    for _ in range(100):
        tokens.caller(good)
    assert counting.asked == 1
    now[0] += REMEMBERED_SECONDS
    tokens.caller(good)
    assert counting.asked == 2


def test_only_so_many_tokens_are_remembered_the_latest_used(auth: AuthConfig) -> None:
    counting = Counting(SECRET.encode())
    tokens, first = Tokens(auth, counting), token().encode()
    tokens.caller(first)
    for number in range(REMEMBERED):
        tokens.caller(token(sub=f"user-{number}").encode())
        if number == REMEMBERED // 2:
            tokens.caller(first)
    assert counting.asked == REMEMBERED + 1
    assert len(tokens._seen) == REMEMBERED
    tokens.caller(first)
    assert counting.asked == REMEMBERED + 1
    tokens.caller(token(sub="user-0").encode())
    assert counting.asked == REMEMBERED + 2


def test_a_refused_token_is_not_remembered(auth: AuthConfig) -> None:
    tokens = Tokens(auth, Secret(SECRET.encode()))
    with pytest.raises(Problem):
        tokens.caller(token("another secret that is long enough").encode())
    assert len(tokens._seen) == 0


def test_the_secret_is_from_the_environment_where_no_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EYAS_AUTH_SECRET", SECRET)
    auth = AuthConfig()
    assert Tokens(auth, open_keys(auth)).caller(token().encode()).scopes == {"predict"}


def test_a_secret_that_is_none_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EYAS_AUTH_SECRET", raising=False)
    with pytest.raises(ConfigError, match=r"serve\.auth needs a secret: a file .*--new-secret.* or EYAS_AUTH_SECRET"):
        open_keys(AuthConfig())
    with pytest.raises(ConfigError, match=r"cannot read serve\.auth\.secret_file=.*No such file"):
        open_keys(AuthConfig(secret_file=str(tmp_path / "none")))
    short = tmp_path / "short"
    short.write_text("hunter2 and so on\n")
    with pytest.raises(ConfigError, match="must hold at least 32 bytes, got 17") as caught:
        open_keys(AuthConfig(secret_file=str(short)))
    assert "hunter2" not in str(caught.value)
    pem = write_key(tmp_path / "key.pem", private_key("RS256"))
    with pytest.raises(ConfigError, match="must hold a secret, got a public or private key"):
        open_keys(AuthConfig(secret_file=str(pem)))


def test_a_real_server_asks_for_tokens_in_every_worker(grey: Bundle, secret_file: Path) -> None:
    with running(grey.path, workers=2, auth={"secret_file": str(secret_file)}) as server:
        for _ in range(8):  # each on a connection of its own
            assert httpx.post(f"{server.url}/predict", json=BODY).status_code == 401
            assert httpx.post(f"{server.url}/predict", json=BODY, headers=bearing(token())).status_code == 200
        for path in ("/livez", "/readyz", "/health"):
            assert httpx.get(f"{server.url}{path}").status_code == 200
        code, err = server.stop()
    assert code == 0
    assert SECRET not in err


def test_openapi_says_what_is_asked_for(guarded: Client, client: Client) -> None:
    spec = guarded.get("/openapi.json").json()
    assert spec["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    operation = spec["paths"]["/predict"]["post"]
    assert operation["security"] == [{"token": ["predict"]}]
    assert {"401", "403"} <= operation["responses"].keys()
    assert "security" not in spec["paths"]["/health"]["get"]
    assert "securitySchemes" not in client.get("/openapi.json").json()["components"]
