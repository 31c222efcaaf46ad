"""POST /explain: maps, pictures, and what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.explain.picture import CAPTION
from eyas.serve.app import create_app
from support.asgi import asgi_client
from support.server import Server, running
from support.waiting import wait_until


@pytest.fixture(scope="module")
def explaining(grey: Bundle) -> Any:
    with running(grey.path, workers=1, explain_seconds=0.3) as server:
        yield server


def asked(server: Server, bundle: Bundle, **query: str) -> httpx.Response:
    image = bundle.golden().images[0].tolist()
    accept = {"Accept": query.pop("accept", "*/*")}
    return httpx.post(
        f"{server.url}/explain", params=query, json={"data": image, "range": 255}, headers=accept, timeout=30
    )


@pytest.mark.parametrize("method", ["occlusion", "rise", "lime", "shap"])
def test_a_map_has_the_size_of_the_image(explaining: Server, grey: Bundle, method: str) -> None:
    answer = asked(explaining, grey, method=method)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert np.array(found["map"]).shape == (8, 8)
    expected = grey.golden().probabilities[0]
    assert found["prediction"] == expected.argmax()
    assert found["probability"] == pytest.approx(expected.max(), abs=1e-4)
    assert found["reliable"] in (True, False, None)
    assert found["reliable"] is not True or found["p_value"] == 0.05


def test_a_class_is_asked_for_by_name_or_index(explaining: Server, grey: Bundle) -> None:
    by_name = asked(explaining, grey, **{"class": grey.classes[3]}).json()
    by_index = asked(explaining, grey, **{"class": "3"}).json()
    assert by_name["prediction"] == by_index["prediction"] == 3
    assert by_name["map"] == by_index["map"]  # occlusion has nothing random


def test_a_picture_is_given_where_it_is_asked_for(explaining: Server, grey: Bundle) -> None:
    answer = asked(explaining, grey, accept="image/png")
    assert answer.headers["content-type"] == "image/png"
    with Image.open(BytesIO(answer.content)) as picture:
        assert picture.size == (256, 256 + CAPTION)  # which says whether it is any good


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"method": "gradcam"}, "method must be one of cam, occlusion, rise, lime, shap, got gradcam"),
        ({"class": "9" * 5000}, "class must be a class (zero, one, "),
        ({"class": "ten"}, "class must be a class (zero, one, "),
        ({"version": "9"}, "9"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    explaining: Server, grey: Bundle, query: dict[str, str], says: str
) -> None:
    answer = asked(explaining, grey, **query)
    assert answer.status_code in (404, 422)
    assert says in answer.json()["detail"]


def test_one_image_at_a_time(explaining: Server, grey: Bundle) -> None:
    images = grey.golden().images[:2].tolist()
    answer = httpx.post(f"{explaining.url}/explain", json={"data": images, "range": 255})
    assert answer.status_code == 422
    assert "one image at a time is explained, got 2" in answer.json()["detail"]


def test_it_can_be_left_out(grey: Bundle) -> None:
    with asgi_client(create_app(grey, ServeConfig(explain_seconds=0))) as client:
        assert client.post("/explain", json={"data": grey.golden().images[0].tolist()}).status_code == 404


def until_taken(client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    """An explanation, asked for again where another one was faster."""
    answers: list[httpx.Response] = []

    def is_taken() -> bool:
        answers.append(client.post("/explain", params={"method": "rise"}, json=body))
        return answers[-1].status_code != 429

    wait_until(is_taken, 60)
    return answers[-1]


def test_predictions_go_on_meanwhile(grey: Bundle) -> None:
    body = {"data": grey.golden().images[0].tolist(), "range": 255}
    with (
        running(grey.path, workers=1, explain_seconds=2) as server,
        httpx.Client(base_url=server.url) as client,
        httpx.Client(base_url=server.url, timeout=30) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        long = pool.submit(until_taken, other, body)
        answered, busy = 0, False
        while not long.done():
            assert client.post("/predict", json=body).status_code == 200
            answered += 1
            busy |= client.post("/explain", json=body).status_code == 429
        assert long.result().status_code == 200
    assert answered > 20  # 57 on a machine with six times as much to do as it has cores
    assert busy
