"""MLflow's own client, SageMaker's routes and Vertex AI's, against the service."""

import base64
import io
import warnings
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from eyas import __version__
from eyas.bundle import Bundle
from eyas.core.errors import ConfigError
from eyas.core.schema import ServeConfig
from eyas.serve.app import create_app
from eyas.serve.environment import stored_bundle, with_environment
from support.asgi import Client, asgi_client
from support.server import Server, free_port, running

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of MLflow's own, as it is imported
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

VERTEX = {"AIP_HTTP_PORT": "8080", "AIP_HEALTH_ROUTE": "/v1/health", "AIP_PREDICT_ROUTE": "/v1/models/1:predict"}


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("form", ["array", "frame", "records"])
def test_mlflows_own_client(server: Server, grey: Bundle, form: str) -> None:
    images, expected = grey.golden().images[:4], grey.golden().probabilities[:4]
    flat = (images / 255).reshape(4, -1)
    client = ScoringServerClient("127.0.0.1", server.port)
    client.wait_server_ready()
    assert client.get_version() == __version__
    data = {"array": flat, "frame": pd.DataFrame(flat), "records": flat.tolist()}[form]
    answer = client.invoke(data).get_predictions()
    np.testing.assert_allclose(np.array(answer["probabilities"].tolist()), expected, atol=1e-6)
    assert answer["label"].tolist() == [grey.classes[k] for k in expected.argmax(axis=1)]
    by_bytes = client.invoke(images, params={"range": 255}).get_predictions()
    pd.testing.assert_frame_equal(by_bytes, answer)


def test_mlflows_client_raises_what_the_server_says(server: Server) -> None:
    with pytest.raises(Exception, match=r"error code 422.*/inputs/0 must hold 64 values"):
        ScoringServerClient("127.0.0.1", server.port).invoke(np.zeros((1, 5)))


def test_sagemakers_routes_take_json_csv_and_files(client: Client, grey: Bundle) -> None:
    image = grey.golden().images[0]
    flat = (image / 255).ravel().tolist()
    assert client.get("/ping").status_code == 200
    answers = [
        client.post(path, **body).json()
        for path in ("/invocations", "/endpoints/digits/invocations")
        for body in (
            {"json": {"instances": [flat]}},
            {"content": ",".join(map(str, flat)), "headers": {"Content-Type": "text/csv; header=absent"}},
            {"content": png(image), "headers": {"Content-Type": "image/png"}},
            {"files": {"file": ("a.png", png(image))}},
        )
    ]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["predictions"][0]["prediction"] == int(grey.golden().probabilities[0].argmax())
    assert client.post("/endpoints/letters/invocations", json={"instances": [flat]}).status_code == 404
    refused = client.post("/invocations", content=b"x", headers={"Content-Type": "application/vnd.apache.parquet"})
    assert refused.status_code == 415
    assert "got application/vnd.apache.parquet" in refused.json()["detail"]


def test_vertex_asks_on_the_paths_it_names(grey: Bundle) -> None:
    image = grey.golden().images[0]
    app = create_app(grey, with_environment(ServeConfig(), VERTEX))
    with asgi_client(app) as client:
        assert client.get("/v1/health").json() == {"status": "ready"}
        coded = base64.b64encode(png(image)).decode()
        answers = [
            client.post("/v1/models/1:predict", json=body).json()
            for body in (
                {"instances": [image.tolist()], "parameters": {"range": 255}},
                {"instances": [{"b64": coded}]},
                {"instances": [{"image_bytes": {"b64": coded}}]},
            )
        ]
        assert all(answer == answers[0] for answer in answers)
        (row,) = answers[0]["predictions"]
        np.testing.assert_allclose(row["probabilities"], grey.golden().probabilities[0], atol=1e-6)
        refused = client.post("/v1/models/1:predict", content=b"x", headers={"Content-Type": "image/png"})
        assert (refused.status_code, refused.headers["Content-Type"]) == (415, "application/problem+json")
        assert "/v1/models/1:predict" in client.get("/openapi.json").json()["paths"]


def test_vertex_may_take_predict_and_leaves_health(grey: Bundle) -> None:
    config = ServeConfig(vertex_predict_route="/predict", vertex_health_route="/health")
    with asgi_client(create_app(grey, config)) as client:
        assert client.get("/health").json()["status"] == "healthy"
        pixels = grey.golden().images[:1].tolist()
        assert "predictions" in client.post("/predict", json={"instances": pixels, "parameters": {"range": 255}}).json()


def test_what_is_configured_wins_over_the_environment() -> None:
    assert with_environment(ServeConfig(), VERTEX).port == 8080
    config = ServeConfig(port=5001, vertex_health_route="/mine")
    told = with_environment(config, VERTEX)
    assert (told.port, told.vertex_health_route) == (5001, "/mine")
    assert told.vertex_predict_route == VERTEX["AIP_PREDICT_ROUTE"]
    assert with_environment(ServeConfig(), {}) == ServeConfig()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("AIP_HTTP_PORT", "http", "AIP_HTTP_PORT must be a port from 1 to 65535, got 'http'"),
        ("AIP_HTTP_PORT", "0", "got '0'"),
        ("AIP_HEALTH_ROUTE", "health", "AIP_HEALTH_ROUTE must be a path that begins with /, got 'health'"),
        ("AIP_PREDICT_ROUTE", "/{x}", "AIP_PREDICT_ROUTE must be a path"),
    ],
)
def test_a_bad_variable_is_named(variable: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_environment(ServeConfig(), {variable: value})
    assert says in str(caught.value)


def test_the_bundle_may_be_where_vertex_says(grey: Bundle) -> None:
    assert stored_bundle({}) is None
    assert stored_bundle({"AIP_STORAGE_URI": str(grey.path)}) == grey.path
    assert stored_bundle({"AIP_STORAGE_URI": "file:///a%20b/c"}) == Path("/a b/c")
    for uri in ("gs://bucket/model", "https://host/model", "file://elsewhere/model"):
        with pytest.raises(ConfigError, match=r"must be a path on this machine or a file: URI, got"):
            stored_bundle({"AIP_STORAGE_URI": uri})


def test_the_real_server_on_vertex_paths(grey: Bundle) -> None:
    with running(grey.path, workers=1, port=free_port(), vertex_predict_route="/p", vertex_health_route="/h") as server:
        assert httpx.get(f"{server.url}/h").status_code == 200
        body = {"instances": grey.golden().images[:2].tolist(), "parameters": {"range": 255}}
        rows = httpx.post(f"{server.url}/p", json=body).json()["predictions"]
        assert [row["prediction"] for row in rows] == grey.golden().probabilities[:2].argmax(axis=1).tolist()
