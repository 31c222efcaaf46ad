"""Tokens, rates, TLS, deadlines, metrics, log of gRPC: those of HTTP, asked by gRPC's and Triton's clients."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from test_counting import samples

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.metrics import Meter, Tables, render
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.service import Service
from eyas.serve.trust import open_gate
from support.certificates import make_certificate
from support.server import Server, free_port, running, start
from support.tokens import SECRET, token

grpc = pytest.importorskip("grpc", reason='gRPC is not installed: pip install "eyas[grpc]"')
triton = pytest.importorskip("tritonclient.grpc", reason="Triton's client is not installed")
messages = pytest.importorskip("eyas.serve.rpc.messages")
rpc = pytest.importorskip("eyas.serve.rpc.server")
message = messages.message

INFER = "inference.GRPCInferenceService/ModelInfer"
CALLS = "rpc_server_call_duration_seconds_count"


def infer_request(images: np.ndarray) -> Any:
    request = message("ModelInferRequest")(model_name="digits", raw_input_contents=[images.tobytes()])
    request.inputs.add(name="images", datatype="UINT8", shape=images.shape)
    return request


def call(channel: Any, request: Any, timeout: float = 30.0, **metadata: str) -> tuple[Any, dict[str, str]]:
    """The answer, and the metadata behind it."""
    made = channel.unary_unary(
        f"/{INFER}",
        request_serializer=message("ModelInferRequest").SerializeToString,
        response_deserializer=message("ModelInferResponse").FromString,
    )
    named = [(name.replace("_", "-"), value) for name, value in metadata.items()]
    answer, state = made.with_call(request, timeout=timeout, metadata=named)
    return answer, dict(state.trailing_metadata())


@contextmanager
def channel_to(port: int) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as made:
        yield made


@pytest.fixture(scope="module")
def guarded(grey: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """A server that asks for tokens, limits callers, and writes its lines as JSON; and gRPC's port."""
    secret = tmp_path_factory.mktemp("secret") / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    port = free_port()
    auth, rate = {"secret_file": str(secret)}, {"per_second": 0.01, "burst": 6}
    settings = {"auth": auth, "rate": rate, "workers": 1, "access_log": True, "json_logs": True}
    with running(grey.path, grpc_port=port, **settings) as server:
        yield server, port


def refused(port: int, grey: Bundle, **metadata: str) -> Any:
    with channel_to(port) as channel, pytest.raises(grpc.RpcError) as caught:
        call(channel, infer_request(grey.golden().images[:1]), **metadata)
    return caught.value


def test_only_a_token_for_predicting_lets_in(guarded: tuple[Server, int], grey: Bundle) -> None:
    _, port = guarded
    missing = refused(port, grey)
    assert missing.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "Authorization: Bearer TOKEN" in missing.details()
    assert dict(missing.trailing_metadata())["www-authenticate"] == 'Bearer realm="eyas"'
    wrong = refused(port, grey, authorization=f"Bearer {token('another secret, of more than 32 bytes, for tests')}")
    assert wrong.code() is grpc.StatusCode.UNAUTHENTICATED
    other = refused(port, grey, authorization=f"Bearer {token(scope='feedback', sub='bob')}")
    assert other.code() is grpc.StatusCode.PERMISSION_DENIED
    assert other.details() == "the access token must be for predict"
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert client.is_server_ready()  # asks for none, as over HTTP
        images = triton.InferInput("images", [1, 8, 8, 1], "UINT8")
        images.set_data_from_numpy(grey.golden().images[:1])
        answer = client.infer("digits", [images], headers={"authorization": f"Bearer {token(sub='cleo')}"})
    np.testing.assert_allclose(answer.as_numpy("probabilities")[0], grey.golden().probabilities[0], atol=1e-6)


def test_nothing_is_read_of_who_may_not_ask(guarded: tuple[Server, int]) -> None:
    """A message that never comes is not waited for, and one of many megabytes would not be held."""
    _, port = guarded
    never = threading.Event()

    def messages() -> Iterator[bytes]:
        never.wait(60)
        yield b""

    with channel_to(port) as channel:
        asked = channel.stream_unary(f"/{INFER}").future(messages(), timeout=30)
        assert asked.exception().code() is grpc.StatusCode.UNAUTHENTICATED
    never.set()


def test_what_asks_for_no_token_is_not_read_where_it_says_nothing(guarded: tuple[Server, int]) -> None:
    _, port = guarded
    with channel_to(port) as channel:
        made = channel.unary_unary(
            "/inference.GRPCInferenceService/ServerLive",
            request_serializer=bytes,
            response_deserializer=message("ServerLiveResponse").FromString,
        )
        assert made(b"\xff" * 100, timeout=30).live


def test_one_callers_requests_are_limited_over_both_protocols(guarded: tuple[Server, int], grey: Bundle) -> None:
    server, port = guarded
    dan = f"Bearer {token(sub='dan')}"
    with channel_to(port) as channel:
        for _ in range(3):
            call(channel, infer_request(grey.golden().images[:1]), authorization=dan)
    for _ in range(3):
        answer = httpx.post(
            f"{server.url}/predict", json={"data": [0.5] * 64}, headers={"Authorization": dan}, timeout=30
        )
        assert answer.status_code == 200
    error = refused(port, grey, authorization=dan)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "serve.rate" in error.details()
    assert int(dict(error.trailing_metadata())["retry-after"]) > 1


def test_calls_are_counted_under_opentelemetrys_names(guarded: tuple[Server, int], grey: Bundle) -> None:
    server, port = guarded

    def counted() -> dict[tuple[str, ...], float]:
        return samples(httpx.get(f"{server.url}/metrics").text)

    before = counted()
    with channel_to(port) as channel:
        call(channel, infer_request(grey.golden().images[:2]), authorization=f"Bearer {token(sub='eve')}")
        bad = infer_request(grey.golden().images[:1])
        bad.inputs[0].name = "pixels"
        with pytest.raises(grpc.RpcError):
            call(channel, bad, authorization=f"Bearer {token(sub='eve')}")
    refused(port, grey)
    after = counted()
    risen = {key: value - before.get(key, 0.0) for key, value in after.items()}
    for code in ("OK", "INVALID_ARGUMENT", "UNAUTHENTICATED"):
        assert risen[CALLS, INFER, code, "grpc"] == 1
    assert risen["eyas_model_requests_total", "digits", "ok", "digits-1"] == 1
    assert risen["eyas_model_requests_total", "digits", "client_error", "digits-1"] == 1
    assert risen["eyas_model_batch_images_sum", "digits", "digits-1"] == 2
    assert after["eyas_model_active_requests", "digits", "digits-1"] == 0


def test_a_call_is_a_line_of_the_log(grey: Bundle) -> None:
    port = free_port()
    with running(grey.path, workers=1, grpc_port=port, access_log=True, json_logs=True) as server:
        with channel_to(port) as channel:
            _, behind = call(channel, infer_request(grey.golden().images[:1]), x_request_id="id-9")
        _, said = server.stop()
    assert behind["x-request-id"] == "id-9"
    (line,) = [one for one in map(json.loads, said.splitlines()) if one.get("request_id") == "id-9"]
    assert (line["method"], line["path"], line["status"]) == ("POST", f"/{INFER}", 200)
    assert (line["model"], line["version"], line["client"]) == ("digits", "digits-1", "127.0.0.1")
    assert len(behind["x-prediction-id"]) == 32


def test_a_call_that_its_client_has_given_up_is_not_computed(grey: Bundle) -> None:
    tables, models, config = Tables(1), Models(), ServeConfig(grpc_port=free_port(), monitor=None)
    models.put("digits", Model(grey, 1))
    service = Service(models, config, Meter(tables.counts(0)))

    def counted(*key: str) -> float:
        return samples(render(tables).decode()).get(key, 0.0)

    async def work() -> None:
        server, free = await rpc.start(service, open_gate(config)), threading.Event()
        holding = asyncio.create_task(service.lane.run(1.0, free.wait))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{config.grpc_port}") as channel, asyncio.timeout(60):
            infer = channel.unary_unary(
                f"/{INFER}",
                request_serializer=message("ModelInferRequest").SerializeToString,
                response_deserializer=message("ModelInferResponse").FromString,
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await infer(infer_request(grey.golden().images[:1]), timeout=1.0)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            while not counted(CALLS, INFER, "DEADLINE_EXCEEDED", "grpc"):  # the server may hear of it later
                await asyncio.sleep(0.02)
            free.set()
            await holding
            await infer(infer_request(grey.golden().images[:1]), timeout=30.0)
        await server.stop(5)

    asyncio.run(work())
    service.lane.close()
    assert counted("eyas_model_requests_total", "digits", "timeout", "digits-1") == 1
    assert counted("eyas_model_predict_seconds_count", "digits", "digits-1") == 1  # of the second call


def test_tls_is_that_of_http(grey: Bundle, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    port = free_port()
    files = {"certificate": str(certificate), "key": str(key)}
    server = start(grey.path, workers=1, grpc_port=port, tls=files)
    try:
        trusted = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{port}", trusted) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
            answer, _ = call(channel, infer_request(grey.golden().images[:1]))
        assert answer.model_name == "digits"
        with channel_to(port) as plain, pytest.raises(grpc.RpcError) as caught:
            call(plain, infer_request(grey.golden().images[:1]), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:192.0.2.1:80", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:80", "2001:db8::1"),
        ("ipv6:[::1]:80", "::1"),
        ("unix:/tmp/socket", "unknown"),
    ],
)
def test_who_calls(peer: str, expected: str) -> None:
    assert rpc.address_of(peer) == expected
