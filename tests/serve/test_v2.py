"""The Open Inference Protocol over HTTP, asked by Triton's own client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.infer import Predictor
from eyas.serve.app import create_app
from support.asgi import Client, asgi_client
from support.bundles import CLASSES, make_bundle
from support.server import Server

INFER = "/v2/models/digits/infer"


@pytest.fixture(scope="module")
def client_of_triton(server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as made:
        yield made


def tensor(values: np.ndarray, *, binary: bool, name: str = "images") -> triton.InferInput:
    made = triton.InferInput(name, list(values.shape), {"uint8": "UINT8", "float32": "FP32"}[str(values.dtype)])
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def test_triton_client_finds_server_and_model(client_of_triton: triton.InferenceServerClient) -> None:
    assert client_of_triton.is_server_live()
    assert client_of_triton.is_server_ready()
    assert client_of_triton.is_model_ready("digits")
    assert client_of_triton.is_model_ready("digits", "digits-1")
    assert not client_of_triton.is_model_ready("letters")
    assert not client_of_triton.is_model_ready("digits", "9")
    assert "binary_tensor_data" in client_of_triton.get_server_metadata()["extensions"]
    about = client_of_triton.get_model_metadata("digits")
    assert about == client_of_triton.get_model_metadata("digits", "digits-1")
    assert about["versions"] == ["digits-1"]
    assert about["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 8, 8, 1]}]
    assert [one["name"] for one in about["outputs"]] == [
        "logits",
        "probabilities",
        "features",
        "needs_review",
        "unknown",
    ]
    config = client_of_triton.get_model_config("digits")
    assert config["input"][0]["dims"] == [8, 8, 1]
    index = client_of_triton.get_model_repository_index()
    assert index == [{"name": "digits", "version": "digits-1", "state": "READY"}]


@pytest.mark.parametrize("send", [True, False], ids=["binary in", "json in"])
@pytest.mark.parametrize("get", [True, False], ids=["binary out", "json out"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_triton_client_gets_what_the_graph_gives(
    client_of_triton: triton.InferenceServerClient, grey: Bundle, send: bool, get: bool, dtype: str
) -> None:
    images = grey.golden().images[:5]
    sent = images if dtype == "uint8" else (images / 255).astype(np.float32)
    outputs = [triton.InferRequestedOutput(name, binary_data=get) for name in ("features", "logits", "probabilities")]
    result = client_of_triton.infer("digits", [tensor(sent, binary=send)], outputs=outputs, request_id="seven")
    expected = Predictor(grey).run(images)
    for name in ("features", "logits", "probabilities"):
        got = result.as_numpy(name)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, getattr(expected, name))
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("seven", "digits", "digits-1")
    assert all(("data" in one) is not get for one in response["outputs"])


def test_all_outputs_come_where_none_is_named(client_of_triton: triton.InferenceServerClient, grey: Bundle) -> None:
    result = client_of_triton.infer("digits", [tensor(grey.golden().images[:1], binary=True)], "digits-1")
    assert [one["name"] for one in result.get_response()["outputs"]] == ["logits", "probabilities", "features"]
    np.testing.assert_allclose(result.as_numpy("probabilities"), grey.golden().probabilities[:1], atol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_classes_by_name(client_of_triton: triton.InferenceServerClient, grey: Bundle, binary: bool) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=3)]
    result = client_of_triton.infer("digits", [tensor(grey.golden().images[:4], binary=True)], outputs=outputs)
    entries = result.as_numpy("probabilities")
    assert entries.shape == (4, 3)
    for row, probabilities in zip(entries, grey.golden().probabilities[:4], strict=True):
        order = np.argsort(-probabilities)[:3]
        texts = [one.decode() if isinstance(one, bytes) else one for one in row]
        parts = [text.split(":") for text in texts]
        assert [(int(index), label) for _, index, label in parts] == [(int(k), CLASSES[k]) for k in order]
        np.testing.assert_allclose([float(score) for score, _, _ in parts], probabilities[order], atol=2e-6)


def test_more_classes_than_there_are_give_all(client_of_triton: triton.InferenceServerClient, grey: Bundle) -> None:
    outputs = [triton.InferRequestedOutput("logits", class_count=99)]
    result = client_of_triton.infer("digits", [tensor(grey.golden().images[:1], binary=True)], outputs=outputs)
    assert result.as_numpy("logits").shape == (1, 10)


def test_triton_client_raises_what_the_server_says(
    client_of_triton: triton.InferenceServerClient, grey: Bundle
) -> None:
    image = grey.golden().images[:1]
    with pytest.raises(InferenceServerException, match=r"must be named images, got 'pixels'") as caught:
        client_of_triton.infer("digits", [tensor(image, binary=True, name="pixels")])
    assert caught.value.status() == "422"
    with pytest.raises(InferenceServerException, match="there is no model letters"):
        client_of_triton.infer("letters", [tensor(image, binary=True)])
    shared = triton.InferInput("images", [1, 8, 8, 1], "UINT8")
    shared.set_shared_memory("region", 64)
    with pytest.raises(InferenceServerException, match="shared memory is not offered"):
        client_of_triton.infer("digits", [shared])
    with pytest.raises(InferenceServerException, match="there is no endpoint"):
        client_of_triton.register_system_shared_memory("region", "/region", 64)


def request(**changes: Any) -> dict[str, Any]:
    one = {"name": "images", "shape": [1, 8, 8, 1], "datatype": "UINT8", "data": [7] * 64}
    return {"inputs": [{key: value for key, value in (one | changes).items() if value is not None}]}


FAULTS: list[tuple[dict[str, Any], int, str]] = [
    (request(shape=[1, 8, 8]), 422, "must be [N, 8, 8, 1], got [1, 8, 8]"),
    (request(shape=[0, 8, 8, 1]), 422, "must hold 1 to 8 images, got 0"),
    (request(shape=[-1, 8, 8, 1]), 422, "must hold 1 to 8 images, got -1"),
    (request(shape=[9, 8, 8, 1]), 422, "must hold 1 to 8 images, got 9"),
    (request(datatype="INT64"), 422, "must be UINT8 or FP32, got 'INT64'"),
    (request(data=[7] * 63), 422, "must hold 64 values, flat or nested as [1, 8, 8, 1], got the shape [63]"),
    (request(data=[7] * 63 + [0.5]), 422, "/inputs/0/data/63 must be a whole number for UINT8, got 0.5"),
    (request(data=[7] * 63 + [256]), 422, "/inputs/0/data/63 must be in [0, 255], got 256"),
    (request(data=[7] * 63 + ["a"]), 422, "/inputs/0/data/63 must be a number, got a string, 'a'"),
    (request(datatype="FP32"), 422, "must be in [0, 1], got 7; send the datatype UINT8 for bytes"),
    (request(data=None), 422, "must have data, or binary_data_size"),
    (request(parameters={"binary_data_size": 64}), 422, "must have data or binary_data_size, got both"),
    (request(data=None, parameters={"binary_data_size": 64}), 422, "must be the 0 bytes that follow the JSON, got 64"),
    ({"inputs": []}, 422, "one input, images, got 0"),
    ({}, 422, "missing required field `inputs`"),
    (request() | {"outputs": [{"name": "boxes"}]}, 422, "features, needs_review, unknown, got 'boxes'"),
    (request() | {"outputs": [{"name": "cam"}]}, 422, "features, needs_review, unknown, got 'cam'"),
    (request() | {"outputs": [{"name": "logits"}] * 2}, 422, "logits must be asked for once"),
    (
        request() | {"outputs": [{"name": "features", "parameters": {"classification": 2}}]},
        422,
        "classification is for logits and probabilities, got features",
    ),
    (request() | {"outputs": [{"name": "logits", "parameters": {"classification": 0}}]}, 422, "at least 1, got 0"),
]


@pytest.mark.parametrize(("body", "status", "says"), FAULTS, ids=[says for _, _, says in FAULTS])
def test_a_fault_is_a_problem_and_an_error(client: Client, body: dict[str, Any], status: int, says: str) -> None:
    response = client.post(INFER, json=body)
    problem = response.json()
    assert response.status_code == problem["status"] == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert says in problem["error"]
    assert problem["error"] == problem["detail"]


def binary(header: bytes, rest: bytes, **headers: str) -> dict[str, Any]:
    return {"content": header + rest, "headers": {"Inference-Header-Content-Length": str(len(header))} | headers}


HEADER = b'{"inputs":[{"name":"images","shape":[1,8,8,1],"datatype":"%s","parameters":{"binary_data_size":%d}}]}'


def test_binary_sizes_must_agree(client: Client) -> None:
    def error(arguments: dict[str, Any], status: int = 422) -> str:
        response = client.post(INFER, **arguments)
        assert response.status_code == status
        return str(response.json()["error"])

    assert client.post(INFER, **binary(HEADER % (b"UINT8", 64), bytes(64))).status_code == 200
    assert "must be the 63 bytes that follow the JSON, got 64" in error(binary(HEADER % (b"UINT8", 64), bytes(63)))
    assert "must be 64 bytes for UINT8 [1, 8, 8, 1], got 63" in error(binary(HEADER % (b"UINT8", 63), bytes(63)))
    assert "must be 256 bytes for FP32 [1, 8, 8, 1], got 64" in error(binary(HEADER % (b"FP32", 64), bytes(64)))
    not_numbers = np.full(64, np.nan, "<f4").tobytes()
    assert "images[0, 0, 0, 0] must be in [0, 1] for FP32, got nan" in error(
        binary(HEADER % (b"FP32", 256), not_numbers)
    )
    for length in ("0", "-1", "1e9", "999999", "²", "9" * 30, "9" * 400, "9" * 5000):
        said = error({"content": b"{}", "headers": {b"Inference-Header-Content-Length": length.encode()}}, 400)
        assert "must be 1 to the body's 2 bytes" in said
    assert "not valid JSON" in error(binary(b"{", bytes(3)), 400)


def test_nested_and_flat_data_are_the_same(client: Client, grey: Bundle) -> None:
    images = grey.golden().images[:2]
    answers = [
        client.post(INFER, json=request(shape=[2, 8, 8, 1], data=data)).json()
        for data in (images.tolist(), images.ravel().tolist())
    ]
    assert answers[0] == answers[1]


def test_errors_outside_the_protocol_keep_their_shape(client: Client) -> None:
    assert "error" not in client.get("/nowhere").json()
    assert "there is no endpoint" in client.get("/v2/nowhere").json()["error"]


def test_many_members_are_refused_before_they_are_made(client: Client) -> None:
    response = client.post(INFER, content=b"{" + b'"a":1,' * 11_000 + b'"inputs":[]}')
    assert response.status_code == 422
    assert "11,001 colons" in response.json()["error"]


def test_class_activation_maps_come_where_they_are_asked_for(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", cam=True)
    images = bundle.golden().images[:2]
    body = request(shape=[2, 8, 8, 1], data=images.tolist())
    with asgi_client(create_app(bundle, ServeConfig())) as client:
        about = client.get("/v2/models/digits").json()["outputs"]
        assert about[3] == {"name": "cam", "datatype": "FP32", "shape": [-1, 10, -1, -1]}
        without = client.post(INFER, json=body).json()["outputs"]
        assert [one["name"] for one in without] == ["logits", "probabilities", "features"]
        (maps,) = client.post(INFER, json=body | {"outputs": [{"name": "cam"}]}).json()["outputs"]
    expected = Predictor(bundle).run(images, cam=True).cam
    np.testing.assert_array_equal(np.array(maps["data"], np.float32).reshape(maps["shape"]), expected)
