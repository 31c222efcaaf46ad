"""The Open Inference Protocol over gRPC, asked by Triton's own client."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from eyas.bundle import Bundle
from eyas.core.errors import ServingError
from eyas.core.schema import ServeConfig
from eyas.infer import Predictor
from eyas.serve.rpc.messages import FIELDS, message
from eyas.serve.rpc.port import check_port
from support.bundles import CLASSES
from support.server import free_port, running


@pytest.fixture(scope="module")
def port(grey: Bundle) -> Iterator[int]:
    """Of a real server with two workers."""
    number = free_port()
    with running(grey.path, workers=2, grpc_port=number, max_images=8, max_body_mb=0.05):
        yield number


@pytest.fixture(scope="module")
def client(port: int) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as made:
        yield made


def tensor(values: np.ndarray, name: str = "images") -> triton.InferInput:
    made = triton.InferInput(name, list(values.shape), {"uint8": "UINT8", "float32": "FP32"}[str(values.dtype)])
    made.set_data_from_numpy(values)
    return made


def test_the_messages_are_those_of_triton() -> None:
    """Names, numbers, types: all of ours are in theirs, which has more."""
    for name in FIELDS:
        theirs = service_pb2
        for part in name.split("."):
            theirs = getattr(theirs, part)
        known = {field.name: field for field in theirs.DESCRIPTOR.fields}
        for field in message(name).DESCRIPTOR.fields:
            other = known[field.name]
            ours = (field.number, field.type, field.is_repeated, field.message_type and field.message_type.full_name)
            assert ours == (
                other.number,
                other.type,
                other.is_repeated,
                other.message_type and other.message_type.full_name,
            )


def test_triton_client_finds_server_and_model(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    with pytest.raises(InferenceServerException, match="there is no model letters"):
        client.is_model_ready("letters")
    assert client.get_server_metadata().name == "eyas"
    about = client.get_model_metadata("digits", "digits-1")
    assert list(about.versions) == ["digits-1"]
    assert [(one.name, one.datatype, list(one.shape)) for one in about.inputs] == [("images", "UINT8", [-1, 8, 8, 1])]
    assert [one.name for one in about.outputs] == ["logits", "probabilities", "features", "needs_review", "unknown"]


def test_every_answer_has_an_id_for_feedback(client: triton.InferenceServerClient, grey: Bundle) -> None:
    images = tensor(grey.golden().images[:1])
    answers = [client.infer("digits", [images]).get_response() for _ in range(2)]
    ids = {answer.parameters["prediction_id"].string_param for answer in answers}
    assert len(ids) == 2
    assert "" not in ids


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_triton_client_gets_what_the_graph_gives(
    client: triton.InferenceServerClient, grey: Bundle, dtype: str
) -> None:
    images = grey.golden().images[:5]
    sent = images if dtype == "uint8" else (images / 255).astype(np.float32)
    result = client.infer("digits", [tensor(sent)], request_id="seven")
    expected = Predictor(grey).run(images)
    for name in ("logits", "probabilities", "features"):
        np.testing.assert_array_equal(result.as_numpy(name), getattr(expected, name))
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("seven", "digits", "digits-1")


def test_doubts_come_where_they_are_asked_for(client: triton.InferenceServerClient, grey: Bundle) -> None:
    images = np.concatenate([grey.golden().images[:3], 255 - grey.golden().images[:1]])
    outputs = [triton.InferRequestedOutput(name) for name in ("needs_review", "unknown")]
    result = client.infer("digits", [tensor(images)], outputs=outputs)
    assert [one.datatype for one in result.get_response().outputs] == ["BOOL", "BOOL"]
    assert result.as_numpy("unknown").tolist() == [[False], [False], [False], [True]]
    assert result.as_numpy("needs_review").ravel().tolist() == Predictor(grey).run(images).needs_review.tolist()


def test_classes_by_name(client: triton.InferenceServerClient, grey: Bundle) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", class_count=2)]
    result = client.infer("digits", [tensor(grey.golden().images[:3])], outputs=outputs)
    labels = [row[0].decode().split(":")[2] for row in result.as_numpy("probabilities")]
    assert labels == [CLASSES[k] for k in grey.golden().probabilities[:3].argmax(axis=1)]


def _ask(port: int, request: object) -> object:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=message("ModelInferRequest").SerializeToString,
            response_deserializer=message("ModelInferResponse").FromString,
        )
        return call(request, timeout=30)


@pytest.mark.parametrize(("datatype", "field"), [("UINT8", "uint_contents"), ("FP32", "fp32_contents")])
def test_contents_that_are_not_raw(port: int, grey: Bundle, datatype: str, field: str) -> None:
    image = grey.golden().images[:1]
    request = message("ModelInferRequest")(model_name="digits")
    one = request.inputs.add(name="images", datatype=datatype, shape=image.shape)
    values = image.ravel() if datatype == "UINT8" else image.ravel() / 255
    getattr(one.contents, field).extend(values.tolist())
    response = _ask(port, request)
    got = np.frombuffer(response.raw_output_contents[1], np.float32)
    np.testing.assert_allclose(got, grey.golden().probabilities[0], atol=1e-6)
    request.raw_input_contents.append(bytes(64))
    with pytest.raises(grpc.RpcError, match="must have raw_input_contents or contents, got both"):
        _ask(port, request)
    del request.raw_input_contents[:]
    getattr(one.contents, field)[3] = 256
    with pytest.raises(grpc.RpcError, match=r"must be in \[0, "):
        _ask(port, request)


def test_errors_have_the_codes_of_grpc(client: triton.InferenceServerClient, grey: Bundle) -> None:
    image = grey.golden().images[:1]
    for ask, code, says in (
        (lambda: client.infer("letters", [tensor(image)]), "NOT_FOUND", "there is no model letters"),
        (lambda: client.infer("digits", [tensor(image, "pixels")]), "INVALID_ARGUMENT", "must be named images"),
        (
            lambda: client.infer("digits", [tensor(np.zeros((9, 8, 8, 1), np.uint8))]),
            "INVALID_ARGUMENT",
            "1 to 8 images",
        ),
        (
            lambda: client.infer("digits", [tensor(np.zeros((1, 300, 300, 1), np.uint8))]),
            "RESOURCE_EXHAUSTED",
            "larger",
        ),
        (lambda: client.get_model_config("digits"), "UNIMPLEMENTED", "Method not found"),
    ):
        with pytest.raises(InferenceServerException, match=says) as caught:
            ask()
        assert caught.value.status() == f"StatusCode.{code}"
    shared = triton.InferInput("images", [1, 8, 8, 1], "UINT8")
    shared.set_shared_memory("region", 64)
    with pytest.raises(InferenceServerException, match="shared memory is not offered"):
        client.infer("digits", [shared])


def test_a_server_with_grpc_stops_when_it_is_told_to(grey: Bundle) -> None:
    number = free_port()
    with running(grey.path, workers=1, grpc_port=number) as server:
        with triton.InferenceServerClient(f"127.0.0.1:{number}") as client:
            assert client.is_server_live()
        code, err = server.stop()
    assert code == 0, err
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", number)) != 0


def test_where_grpc_may_not_listen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        with pytest.raises(ServingError, match=rf"port {number} on 127.0.0.1 is already in use; .*serve.grpc_port="):
            check_port(ServeConfig(grpc_port=number))
    with pytest.raises(ServingError, match=r"serve\.host=0\.0\.0\.0 lets other machines in, and nobody is asked"):
        check_port(ServeConfig(grpc_port=number, host="0.0.0.0"), "nobody is asked")
    check_port(ServeConfig(grpc_port=number, host="0.0.0.0"))


def test_the_library_is_not_loaded_before_the_workers_are_forked() -> None:
    code = "import sys, eyas.serve.server; print([name for name in ('grpc', 'google.protobuf') if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"
