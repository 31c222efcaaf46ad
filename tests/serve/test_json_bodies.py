"""What is no JSON in UTF-8 is a malformed request, wherever JSON is taken."""

from collections.abc import Iterator

import pytest

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.app import build_app
from eyas.serve.asking import Asking
from eyas.serve.metrics import Meter, Tables
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.monitoring.board import Board
from eyas.serve.service import Service
from eyas.serve.trust import open_gate
from support.asgi import Client, asgi_client

JSON = "application/json"
HOST = {"Host": "localhost"}  # some answer this machine alone


@pytest.fixture(scope="module")
def whole(grey: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, list[str]]]:
    """An app with all that can be asked for, and the paths that take JSON."""
    config = ServeConfig.model_validate(
        {
            "admin": True,
            "explain_seconds": 1,
            "vertex_predict_route": "/vertex",
            "monitor": {"folder": str(tmp_path_factory.mktemp("monitor"))},
        }
    )
    models, tables = Models(), Tables(1)
    models.put("digits", Model(grey, 1))
    service = Service(models, config, Meter(tables.counts(0)), Asking(lambda ask: None), Board())
    app = build_app(service, tables, open_gate(config))
    paths = [one.path for one in app.endpoints if JSON in one.body]
    with asgi_client(app) as client:
        yield client, [path.format(model="digits", name="digits", version=grey.manifest.version) for path in paths]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", "{}".encode("utf-16"), "{}".encode("utf-8-sig"), b'{"\xff": 1}', b'{"id": "\xff"}', b'{"a": "\xff"}'],
)
def test_what_is_no_json_is_malformed_everywhere(whole: tuple[Client, list[str]], body: bytes) -> None:
    client, paths = whole
    answers = {path: client.post(path, content=body, headers=HOST | {"Content-Type": JSON}) for path in paths}
    assert answers.keys() >= {"/predict", "/explain", "/vertex", "/feedback", "/admin/models/digits/rollout"}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(paths, 400)
    assert all("the body is not valid JSON" in answer.json()["detail"] for answer in answers.values())


def test_a_line_of_a_batch_is_malformed_alone(whole: tuple[Client, list[str]]) -> None:
    lines = b'{"b64": "\xff"}\n{"data": [[0.5]], "a": "\xff"}\n'
    answer = whole[0].post("/predict/batch", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200
    assert answer.text.count('"status":400') == 2
    assert answer.text.count("is not valid JSON") == 2
