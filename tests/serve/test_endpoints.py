"""What each endpoint answers, and that the OpenAPI document says the same."""

import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.infer import Predictor
from eyas.serve.app import create_app
from eyas.serve.model import Model
from support.asgi import Client, asgi_client
from support.bundles import CLASSES


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(stream, kind)
    return stream.getvalue()


def test_model_info_has_the_courses_keys(client: Client, grey: Bundle) -> None:
    info = client.get("/model-info").json()
    assert info["architecture"] == "linear"
    assert info["framework"] == "scikit-learn"
    assert info["input_shape"] == "(None, 8, 8, 1)"
    assert info["output_shape"] == "(None, 10)"
    assert info["num_trainable_params"] == 650
    assert info["metrics"] == grey.manifest.metrics["test"]["accuracy"]
    assert info["preprocessor"].items() >= {"target_size": [8, 8], "normalize": True, "num_classes": 10}.items()
    assert info["classes"] == list(CLASSES)


def test_an_answer_holds_all_that_is_promised(client: Client, grey: Bundle) -> None:
    golden = grey.golden()
    answer = client.post("/predict", json={"data": golden.images[:8].tolist(), "range": 255}).json()
    probabilities = np.array(answer["probabilities"])
    np.testing.assert_allclose(probabilities, golden.probabilities[:8], atol=1e-6)
    assert answer["predictions"] == probabilities.argmax(axis=1).tolist()
    assert answer["confidence"] == probabilities.max(axis=1).tolist()
    assert answer["labels"] == [CLASSES[k] for k in answer["predictions"]]
    sizes = (probabilities >= grey.manifest.conformal.threshold).sum(axis=1)
    assert answer["needs_review"] == (sizes != 1).tolist()
    assert answer["version"] == "digits-1"
    assert re.fullmatch(r"[0-9a-f]{32}", answer["id"])


def test_probabilities_are_written_short_and_exact(client: Client, grey: Bundle) -> None:
    images = grey.golden().images[:8]
    response = client.post("/predict", json={"data": images.tolist(), "range": 255})
    written = re.findall(r"0\.\d+(?:e-\d+)?|\d\.\d+e-\d+", response.text)
    assert len(written) >= 8 * 11
    assert max(len(re.sub(r"e.*|\.", "", number).lstrip("0")) for number in written) <= 9
    expected = Predictor(grey).run(images).probabilities
    np.testing.assert_array_equal(np.array(response.json()["probabilities"], np.float32), expected)


def test_an_answer_asks_for_review_where_its_prediction_does(grey: Bundle) -> None:
    model = Model(grey, 1)
    prediction = model.predict(grey.golden().images[:1])
    between = float(np.nextafter(float(prediction.confidence[0]), 1.0))  # of two float32
    near = replace(prediction, threshold=between)
    assert [row.needs_review for row in model.rows(near)] == near.needs_review.tolist()


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_files_and_pixels_get_the_same_answer(client: Client, grey: Bundle, kind: str) -> None:
    image = grey.golden().images[3]
    content = png(image, kind) if kind != "WEBP" else _lossless_webp(image)
    by_json = client.post("/predict", json={"data": (image / 255).tolist()}).json()
    answers = [
        client.post("/predict", content=content, headers={"Content-Type": f"image/{kind.lower()}"}),
        client.post("/predict", content=content, headers={"Content-Type": "application/octet-stream"}),
        client.post("/predict", files={"file": ("a", content)}),
    ]
    for answer in answers:
        assert answer.json()["probabilities"] == by_json["probabilities"]


def _lossless_webp(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "WEBP", lossless=True)
    return stream.getvalue()


def test_the_parts_of_a_form_are_answered_in_order(client: Client, grey: Bundle) -> None:
    images = grey.golden().images[:5]
    answer = client.post(
        "/predict", files=[("file", (f"{n}.png", png(image))) for n, image in enumerate(images)]
    ).json()
    np.testing.assert_allclose(answer["probabilities"], grey.golden().probabilities[:5], atol=1e-6)


def test_any_size_is_brought_to_the_models(colour_client: Client, colour: Bundle) -> None:
    image = Image.fromarray(colour.golden().images[0]).resize((90, 90), Image.Resampling.BILINEAR)
    pixels = np.asarray(image) / 255
    expected = [int(colour.golden().probabilities[0].argmax())]
    for form in (pixels.ravel(), pixels, pixels[None], pixels[None].reshape(1, -1)):
        assert colour_client.post("/predict", json={"data": form.tolist()}).json()["predictions"] == expected


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/model-info", "/openapi.json", "/docs", "/nowhere"])
def test_a_request_id_is_echoed_or_made(client: Client, path: str) -> None:
    assert client.get(path, headers={"X-Request-ID": "abc-1.2"}).headers["X-Request-ID"] == "abc-1.2"
    assert re.fullmatch(r"[0-9a-f]{32}", client.get(path).headers["X-Request-ID"])
    assert " " not in client.get(path, headers={"X-Request-ID": "a b"}).headers["X-Request-ID"]


PATHS = {
    "/health",
    "/livez",
    "/readyz",
    "/model-info",
    "/model-card",
    "/explain",
    "/models",
    "/metrics",
    "/predict",
    "/predict/batch",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/repository/index",
    *(
        path + end
        for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
        for end in ("", "/ready", "/config", "/infer")
    ),
    "/ping",
    "/version",
    "/invocations",
    "/endpoints/{name}/invocations",
}
NAMES = {"{model}": "digits", "{version}": "digits-1", "{name}": "digits"}
NO_JSON = {"/predict/batch", "/version"}


def test_openapi_describes_the_answers_that_come(client: Client, grey: Bundle) -> None:
    spec = client.get("/openapi.json").json()
    assert spec["openapi"].startswith("3.1")
    assert set(spec["paths"]) == PATHS
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if path in NO_JSON:
                continue
            body = {"json": body_for(path, grey.golden().images[0].tolist())} if method == "post" else {}
            response = client.request(method.upper(), filled(path), **body)
            assert response.status_code == 200
            if "application/json" not in operation["responses"]["200"]["content"]:
                assert response.headers["Content-Type"].partition(";")[0] in operation["responses"]["200"]["content"]
                continue
            check(response.json(), operation["responses"]["200"]["content"]["application/json"]["schema"], spec)


def test_every_operation_has_a_name_of_its_own(client: Client) -> None:
    operations = [one for methods in client.get("/openapi.json").json()["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)


def filled(path: str) -> str:
    for name, value in NAMES.items():
        path = path.replace(name, value)
    return path


def body_for(path: str, image: list[Any]) -> dict[str, Any]:
    if path.startswith("/v2"):
        return {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 8, 8, 1], "data": [image]}]}
    if path.endswith("/invocations"):
        return {"instances": [image], "params": {"range": 255}}
    return {"data": image, "range": 255}


def test_openapi_describes_every_error_that_comes(client: Client) -> None:
    spec = client.get("/openapi.json").json()
    problem = {"$ref": "#/components/schemas/ProblemDetails"}
    check(client.post("/predict", json={"data": [7]}).json(), problem, spec)
    responses = spec["paths"]["/predict"]["post"]["responses"]
    for status in ("400", "413", "415", "422", "500", "503"):
        assert responses[status]["content"]["application/problem+json"]["schema"] == problem


def check(value: Any, schema: dict[str, Any], spec: dict[str, Any], where: str = "") -> None:
    """The part of JSON Schema that the document uses; an object's keys must be exactly those described."""
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        kinds = [one["type"] for one in schema["anyOf"]]
        assert TYPES[type(value)] & set(kinds), f"{where}: {value!r} is none of {kinds}"
        return
    if "enum" in schema:
        assert value in schema["enum"], where
        return
    if not schema:
        return
    assert schema["type"] in TYPES[type(value)], f"{where}: {value!r} is no {schema['type']}"
    if "properties" in schema:
        assert set(schema.get("required", ())) <= value.keys() <= schema["properties"].keys(), where
        for key, inner in value.items():
            check(inner, schema["properties"][key], spec, f"{where}/{key}")
    for item in value if isinstance(value, list) else ():
        inner = schema.get("items")
        check(item, inner if isinstance(inner, dict) else schema["prefixItems"][0], spec, where)


TYPES = {
    str: {"string"},
    bool: {"boolean"},
    int: {"integer", "number"},
    float: {"number"},
    list: {"array"},
    dict: {"object"},
    type(None): {"null"},
}


def test_the_event_loop_stays_free_while_the_model_runs(grey: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    running, done, predict = threading.Event(), threading.Event(), Model.predict

    def slow(self: Model, images: np.ndarray, *, cam: bool = False) -> Any:
        running.set()
        assert done.wait(30)
        return predict(self, images)

    monkeypatch.setattr(Model, "predict", slow)
    monkeypatch.setattr(Model, "_probe", lambda self: (1.0, 1.0))  # so long that it runs in a thread
    with asgi_client(create_app(grey, ServeConfig())) as client, ThreadPoolExecutor(1) as pool:
        pending = pool.submit(client.post, "/predict", json={"data": [0.5] * 64})
        assert running.wait(30)
        assert client.get("/livez").json() == {"status": "alive"}
        assert not pending.done()
        done.set()
        assert pending.result(30).status_code == 200


def test_the_docs_page_needs_no_other_server(client: Client) -> None:
    page = client.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/model-info" in page.text
    assert "<script" not in page.text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page.text)
    assert 'id="invalid-input"' in page.text  # where the `type` of a problem leads
