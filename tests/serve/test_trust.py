"""Who is let near: the network, browsers' pages, proxies, TLS; and what is written down of admins."""

import json
import re
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from eyas.bundle import Bundle
from eyas.core.config import load_config
from eyas.core.errors import ConfigError, ServingError
from eyas.core.schema import AuthConfig, ServeConfig, TlsConfig
from eyas.serve.app import create_app
from eyas.serve.http import Answer, Endpoint, Problem, Request
from eyas.serve.http.content import Content
from eyas.serve.http.request import Head, Limits
from eyas.serve.server import serve
from eyas.serve.trust import Refusals, audit, open_gate
from eyas.serve.trust.audit import MOST_A_SECOND
from eyas.serve.trust.tls import server_context
from support.asgi import Client, asgi_client
from support.server import free_port, running, start
from support.tokens import private_key, write_key

BODY = {"data": [0.5] * 64}
PAGE = "https://app.example.com"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_nobody_is_let_in_from_outside_without_being_asked(host: str, tmp_path: Path) -> None:
    with pytest.raises(ServingError) as caught:
        serve(tmp_path / "no-bundle", ServeConfig(host=host, port=free_port()))
    message = str(caught.value)
    assert f"serve.host={host} lets other machines in" in message
    assert "eyas token --new-secret" in message
    assert "serve.auth.secret_file=secret" in message
    assert "serve.open_to_network=true" in message


def test_the_command_refuses_before_it_takes_the_port(grey: Bundle) -> None:
    with socket.socket() as other:  # a port in use would be another error
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "eyas", "serve", str(grey.path), "--host", "0.0.0.0", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 7
    assert "serve.open_to_network=true" in done.stderr


@pytest.mark.parametrize("path", ["/livez", "/predict", "/docs", "/openapi.json", "/nowhere"])
def test_every_answer_says_how_to_treat_it(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; frame-ancestors 'none'")
    assert "Server" not in headers
    assert "Strict-Transport-Security" not in headers
    assert "Access-Control-Allow-Origin" not in headers
    assert "Vary" not in headers


def test_the_docs_may_show_their_own_style_and_nothing_else(client: Client) -> None:
    import base64
    import hashlib

    page = client.get("/docs")
    (policy,) = page.headers.get_list("Content-Security-Policy")
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "style=" not in page.text
    assert "script-src" not in policy


@pytest.fixture(scope="module")
def browsed(grey: Bundle) -> Iterator[Client]:
    config = load_config(None, [f"serve.cors.origins=[{PAGE}, 'http://localhost:3000']"]).serve
    with asgi_client(create_app(grey, config)) as client:
        yield client


def test_a_listed_page_may_ask(browsed: Client) -> None:
    answer = browsed.post("/predict", json=BODY, headers={"Origin": PAGE})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Vary"] == "Origin"
    assert {"Retry-After", "X-Prediction-ID"} <= {*answer.headers["Access-Control-Expose-Headers"].split(", ")}
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert browsed.get("/nowhere", headers={"Origin": PAGE}).headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize(
    "origin",
    ["", "null", "*", "https://app.example.com.evil.test", "http://app.example.com", f"{PAGE}:444", f"{PAGE}/"],
)
def test_another_page_is_told_nothing(browsed: Client, origin: str) -> None:
    answer = browsed.post("/predict", json=BODY, headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Vary"] == "Origin"


def test_a_browser_asks_beforehand(browsed: Client, client: Client) -> None:
    head = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = browsed.request("OPTIONS", "/predict", headers=head)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert {"Authorization", "X-User-Id"} <= {*answer.headers["Access-Control-Allow-Headers"].split(", ")}
    other = browsed.request("OPTIONS", "/predict", headers={**head, "Origin": "https://evil.test"})
    assert "Access-Control-Allow-Origin" not in other.headers
    assert client.request("OPTIONS", "/predict", headers=head).status_code == 405  # where no page is listed


def test_a_browser_asks_beforehand_without_a_token(grey: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EYAS_AUTH_SECRET", "a secret of thirty-two bytes or more")
    config = load_config(None, [f"serve.cors.origins=[{PAGE}]", "serve.auth.algorithm=HS256"]).serve
    with asgi_client(create_app(grey, config)) as client:
        assert client.request("OPTIONS", "/predict", headers={"Origin": PAGE}).status_code == 200
        refused = client.post("/predict", json=BODY, headers={"Origin": PAGE})
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize("origins", ["*", "app.example.com", "https://app.example.com/", "null", "ftp://a"])
def test_what_is_no_origin(origins: str) -> None:
    with pytest.raises(ConfigError, match=r"serve\.cors\.origins.0 must be an origin"):
        load_config(None, [f"serve.cors.origins=['{origins}']"])


def test_a_client_cannot_choose_its_address(grey: Bundle) -> None:
    """Seen by the limit on each address: one that is told by nobody trusted is not heard."""
    limit = {"per_second": 0.001, "burst": 1}
    with running(grey.path, host="0.0.0.0", open_to_network=True, workers=1, rate=limit) as server:
        heads = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(3)]
        codes = [httpx.post(f"{server.url}/predict", json=BODY, headers=head).status_code for head in heads]
    assert codes == [200, 429, 429]


def test_a_trusted_proxy_tells_the_address(grey: Bundle) -> None:
    limit = {"per_second": 0.001, "burst": 1}
    with running(grey.path, workers=1, rate=limit, trusted_proxies=["127.0.0.0/8"]) as server:

        def ask(told: str) -> int:
            return httpx.post(f"{server.url}/predict", json=BODY, headers={"X-Forwarded-For": told}).status_code

        assert [ask("192.0.2.1"), ask("192.0.2.2"), ask("192.0.2.1")] == [200, 200, 429]
        assert ask("203.0.113.9, 192.0.2.1") == 429  # what the client itself said before its proxy spoke


def test_what_is_no_proxy() -> None:
    for told in ("*", "proxy.example.com", "10.0.0.1/8"):
        with pytest.raises(ConfigError, match=r"serve\.trusted_proxies.0 must be an address or a network"):
            load_config(None, [f"serve.trusted_proxies=['{told}']"])


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsConfig:
    """A certificate that signs itself, for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    key = private_key("ES256", 5)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = folder / "certificate.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    return TlsConfig(certificate=str(certificate), key=str(write_key(folder / "key.pem", key)))


def test_https(grey: Bundle, tls: TlsConfig) -> None:
    trust = ssl.create_default_context(cafile=tls.certificate)
    server = start(grey.path, workers=1, tls=tls.model_dump(), max_body_mb=1)
    try:
        with httpx.Client(base_url=f"https://127.0.0.1:{server.port}", verify=trust) as http:
            answer = _first_answer(http, server)
            assert answer.json()["predictions"]
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert answer.extensions["network_stream"].get_extra_info("ssl_object").version() == "TLSv1.3"
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{server.port}/livez")
        assert _sent_too_much(server.port, trust).startswith(b"HTTP/1.1 413")
    finally:
        code, err = server.stop()
    assert code == 0
    assert f"eyas serves on https://127.0.0.1:{server.port}" in err


def _sent_too_much(port: int, trust: ssl.SSLContext) -> bytes:
    """What a client sees that sends on, whatever it is told."""
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        trust.wrap_socket(plain, server_hostname="127.0.0.1") as raw,
    ):
        raw.sendall(head + bytes(8_000_000))
        return raw.recv(65536)


def _first_answer(http: httpx.Client, server: object) -> httpx.Response:
    import time

    deadline = time.monotonic() + 60
    while True:
        try:
            return http.post("/predict", json=BODY)
        except httpx.ConnectError:
            assert time.monotonic() < deadline


def test_old_tls_is_not_spoken(tls: TlsConfig) -> None:
    context = server_context(tls)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    client = ssl.create_default_context(cafile=tls.certificate)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.minimum_version, client.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    ours = context.wrap_bio(to_server, to_client, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        theirs.do_handshake()
    with pytest.raises(ssl.SSLError, match=r"UNSUPPORTED_PROTOCOL|unsupported protocol"):
        ours.do_handshake()


def test_a_certificate_that_cannot_be_used_is_told(tls: TlsConfig, tmp_path: Path) -> None:
    other = str(write_key(tmp_path / "other.pem", private_key("ES256", 6)))
    with pytest.raises(ConfigError, match=r"serve\.tls must be a certificate and its own key.*other\.pem"):
        server_context(TlsConfig(certificate=tls.certificate, key=other))
    with pytest.raises(ConfigError, match=r"cannot read serve\.tls\.key=.*none.*No such file"):
        server_context(TlsConfig(certificate=tls.certificate, key=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match=r"serve\.tls must be"):
        server_context(TlsConfig(certificate=tls.key, key=tls.key))


def a_request() -> Request:
    head = Head("POST", "/admin/load", b"", {b"x-request-id": b"abc"}, "192.0.2.1")
    request = Request(head, Content(), Limits(1, 1.0))
    request.subject = "ann\n{}"
    return request


def test_an_action_is_written_down_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "audit.jsonl"
    open_gate(ServeConfig(audit_file=str(file)))
    audit(a_request(), "load", version="3", path=tmp_path)
    audit(a_request(), "remove")
    first, second = [json.loads(line) for line in file.read_text().splitlines()]
    assert datetime.now(UTC) - datetime.fromisoformat(first.pop("time")) < timedelta(minutes=1)
    assert first == {
        "action": "load",
        "subject": "ann\n{}",
        "address": "192.0.2.1",
        "request_id": "abc",
        "version": "3",
        "path": str(tmp_path),
    }
    assert second["action"] == "remove"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    open_gate(ServeConfig())
    audit(a_request(), "load")
    assert json.loads(capsys.readouterr().err)["action"] == "load"
    assert len(file.read_text().splitlines()) == 2
    with pytest.raises(ConfigError, match=r"cannot write serve\.audit_file=.*No such file"):
        open_gate(ServeConfig(audit_file=str(tmp_path / "no" / "folder")))


def test_a_stranger_fills_no_disk(tmp_path: Path) -> None:
    async def load(request: Request) -> Answer:
        return Answer()

    file, now = tmp_path / "audit.jsonl", [7.0]
    open_gate(ServeConfig(audit_file=str(file)))
    refusals, request = Refusals(lambda: now[0]), a_request()
    request.endpoint = Endpoint("POST", "/admin/load", "", load, scope="admin")
    for _ in range(MOST_A_SECOND + 5):
        refusals(request, Problem(401, "who asks?"))
    now[0] += 1
    refusals(request, Problem(403, "not this one"))
    refusals(request, Problem(409, "the supervisor's word, and written down by who asked it"))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["status"] for line in lines] == [401] * MOST_A_SECOND + [403]
    assert (lines[0].get("left_out"), lines[-1]["left_out"]) == (None, 5)
    file.unlink()
    file.mkdir()
    refusals(request, Problem(403, "it is refused all the same"))
    open_gate(ServeConfig())


def test_a_gate_without_its_keys_does_not_open(grey: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read serve\.auth\.secret_file"):
        create_app(grey, ServeConfig(auth=AuthConfig(secret_file=str(tmp_path / "none"))))
