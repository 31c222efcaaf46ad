"""The OpenAPI document takes and refuses the bodies that the service does. `make api-check` looks further."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from eyas.core.schema import ServeConfig
from eyas.serve.app import create_app
from support.asgi import Client, asgi_client
from support.bundles import make_bundle

FLAT = [0.5] * 64
ROWS = [[0.5] * 8] * 8
CELLS = [[[0.5]] * 8] * 8
FILE = base64.b64encode((Path(__file__).parents[2] / "docs" / "seven.png").read_bytes()).decode()
WHITE = {"range": 255}
INFER = "/v2/models/{model}/infer"


def tensor(**other: Any) -> dict[str, Any]:
    return {"name": "images", "shape": [1, 8, 8, 1], "datatype": "FP32", "data": FLAT} | other


def infer(*outputs: dict[str, Any], parameters: dict[str, Any] | None = None, **other: Any) -> dict[str, Any]:
    return {"inputs": [tensor(**other)], "outputs": [*outputs], "parameters": parameters or {}}


def output(name: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "parameters": parameters}


TAKEN: list[tuple[str, Any]] = [
    *(("/predict", {"data": data}) for data in (FLAT, [FLAT] * 2, ROWS, [ROWS] * 2, CELLS, [CELLS] * 2)),
    ("/predict", {"data": [255] * 64, "range": 255}),
    ("/predict", {"data": [1] * 64, "range": 1}),
    *(("/invocations", {"instances": [one] * 2}) for one in (FLAT, ROWS, CELLS, FILE, [FILE], {"b64": FILE})),
    *(("/invocations", {"instances": [{"image": one}]}) for one in (FLAT, ROWS, CELLS, FILE, {"b64": FILE})),
    ("/invocations", {"instances": [{f"p{n}": 0.5 for n in range(64)}], "params": {}}),
    ("/invocations", {"inputs": {"images": [[255] * 64]}, "params": WHITE}),
    ("/invocations", {"inputs": [FLAT]}),
    ("/invocations", {"dataframe_split": {"data": [FLAT], "columns": [*range(64)], "index": [0]}}),
    ("/invocations", {"dataframe_records": [{"image": FILE}]}),
    ("/vertex", {"instances": [[255] * 64], "parameters": WHITE}),
    (INFER, infer()),
    (INFER, infer(datatype="UINT8", data=[255] * 64) | {"id": None}),
    (INFER, infer(datatype="UINT8", data=[[[[255]] * 8] * 8])),
    (INFER, infer(output("cam"), output("logits", classification=3), output("features", binary_data=None))),
]
REFUSED: list[tuple[str, Any]] = [
    *(("/predict", body) for body in ([], {}, {"range": 1}, {"data": None}, {"data": 1}, {"data": "0.5"})),
    *(
        ("/predict", {"data": data})
        for data in ([], [[]], [FLAT, 0.5], [[[[[0.5]]]]], [2] * 64, [-1] * 64, [True] * 64)
    ),
    *(("/predict", {"data": FLAT} | more) for more in ({"range": 2}, {"range": "1"}, {"range": None}, {"other": 1})),
    ("/predict", {"data": [256] * 64, "range": 255}),
    *(("/invocations", body) for body in ({}, {"instances": []}, {"instances": [FLAT], "inputs": [FLAT]})),
    *(("/invocations", {"instances": [one]}) for one in (0.5, None, [], {}, [[[[0.5]]]], {"a": FILE, "b": FILE})),
    ("/invocations", {"instances": [[255] * 64]}),
    ("/invocations", {"instances": [FLAT], "parameters": {"range": 1}}),
    ("/invocations", {"instances": [FLAT], "params": {"range": 7}}),
    ("/invocations", {"instances": [{"b64": FILE, "other": FILE}]}),
    ("/invocations", {"dataframe_split": {"columns": [0]}}),
    ("/invocations", {"inputs": {"a": [FLAT], "b": [FLAT]}}),
    ("/vertex", {"inputs": [FLAT]}),
    ("/vertex", {"instances": [FLAT], "params": {}}),
    (INFER, {"inputs": []}),
    (INFER, {"inputs": [tensor(), tensor()]}),
    *((INFER, infer(**{key: None})) for key in tensor()),
    (INFER, infer(name="pixels")),
    (INFER, infer(datatype="INT64")),
    (INFER, infer(shape=[1, 8, 8, 3])),
    (INFER, infer(shape=[0, 8, 8, 1])),
    (INFER, infer(data=[2] * 64)),
    (INFER, infer(datatype="UINT8", data=[0.5] * 64)),
    (INFER, infer() | {"inputs": [tensor() | {"parameters": {"binary_data_size": 64}}]}),
    (INFER, infer() | {"inputs": [tensor() | {"parameters": {"shared_memory_region": "a"}}]}),
    (INFER, infer(output("scores"))),
    (INFER, infer(output("features", classification=3))),
    (INFER, infer(output("logits", classification=0))),
    (INFER, infer(output("logits", binary_data=1))),
    (INFER, infer(output("logits", shared_memory_region="a"))),
    (INFER, infer(parameters={"binary_data_output": "yes"})),
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    bundle = make_bundle(tmp_path_factory.mktemp("described") / "bundle", cam=True)
    with asgi_client(create_app(bundle, ServeConfig(vertex_predict_route="/vertex"))) as made:
        yield made


@pytest.fixture(scope="module")
def spec(asked: Client) -> dict[str, Any]:
    found: dict[str, Any] = asked.get("/openapi.json").json()
    return found


def described(spec: dict[str, Any], path: str, body: Any) -> bool:
    schema = spec["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema.Draft202012Validator(schema).is_valid(body)


def status(asked: Client, path: str, body: Any) -> int:
    return asked.post(path.replace("{model}", "digits"), json=body).status_code


@pytest.mark.parametrize(("path", "body"), TAKEN, ids=[f"{n}-{path}" for n, (path, _) in enumerate(TAKEN)])
def test_what_is_taken_is_described(asked: Client, spec: dict[str, Any], path: str, body: Any) -> None:
    assert (status(asked, path, body), described(spec, path, body)) == (200, True)


@pytest.mark.parametrize(("path", "body"), REFUSED, ids=[f"{n}-{path}" for n, (path, _) in enumerate(REFUSED)])
def test_what_is_not_described_is_refused(asked: Client, spec: dict[str, Any], path: str, body: Any) -> None:
    assert (status(asked, path, body), described(spec, path, body)) == (422, False)


def test_binary_tensors_are_described_both_ways(asked: Client, spec: dict[str, Any]) -> None:
    operation = spec["paths"][INFER]["post"]
    (header,) = [one["name"] for one in operation["parameters"] if one["in"] == "header"]
    assert "application/octet-stream" in operation["requestBody"]["content"]
    answer = asked.post("/v2/models/digits/infer", json=infer(parameters={"binary_data_output": True}))
    assert answer.headers["Content-Type"] in operation["responses"]["200"]["content"]
    assert 0 < int(answer.headers[header]) < len(answer.content)
    assert header in operation["responses"]["200"]["headers"]


def test_every_answer_is_said_to_carry_its_requests_id(spec: dict[str, Any]) -> None:
    for methods in spec["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                place = response["headers"]["X-Request-ID"]["$ref"].rpartition("/")[2]
                assert spec["components"]["headers"][place]["required"]


def test_a_name_in_a_path_comes_with_one_that_there_is(asked: Client, spec: dict[str, Any]) -> None:
    parameters = spec["paths"]["/v2/models/{model}/versions/{version}"]["get"]["parameters"]
    found = {one["name"]: one["example"] for one in parameters}
    assert asked.get("/v2/models/{model}/versions/{version}".format(**found)).status_code == 200
