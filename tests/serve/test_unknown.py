"""What the answers say of their own certainty: `needs_review` and `unknown`, over every protocol."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

import eyas
from eyas.bundle import Bundle, open_bundle, write_bundle
from eyas.bundle.folder import REFERENCE
from eyas.core.errors import ConfigError
from eyas.core.marks import MANIFEST
from eyas.core.schema import ServeConfig
from eyas.infer import Predictor
from eyas.monitor.streaming import Scoring, open_scoring, read_calibration
from eyas.serve.app import create_app
from support.asgi import Client, asgi_client
from support.bundles import COVERAGE, digits, make_bundle
from support.server import Server

FRESH = slice(1500, 1797)
"""Of the digits: neither the training's nor the reference's."""


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


def body(images: np.ndarray) -> dict[str, object]:
    return {"data": images.tolist(), "range": 255}


def ask(url: str, images: np.ndarray) -> dict[str, list[bool]]:
    """Of as many images as are wanted, a few at a time."""
    found: dict[str, list[bool]] = {"needs_review": [], "unknown": []}
    for start in range(0, len(images), 100):
        answer = httpx.post(f"{url}/predict", json=body(images[start : start + 100])).raise_for_status().json()
        for name, said in found.items():
            said += answer[name]
    return found


def altered(bundle: Bundle, path: Path, **arrays: np.ndarray) -> Bundle:
    """A copy whose reference has other arrays."""
    with write_bundle(path) as draft:
        shutil.copytree(bundle.path, draft.path, dirs_exist_ok=True)
        (draft.path / MANIFEST).unlink()
        np.savez(draft.path / REFERENCE, allow_pickle=False, **(bundle.reference() | arrays))
        draft.finish(**bundle.manifest.model_dump(exclude={"files", "digest"}))
    return open_bundle(path)


def test_noise_is_unknown_and_fresh_digits_are_not(server: Server, grey: Bundle) -> None:
    assert np.mean(ask(server.url, noise(100))["unknown"]) > 0.9
    fresh, _ = digits(grey.policy, FRESH)
    share = np.mean(ask(server.url, fresh)["unknown"])
    assert share <= 0.01 + 4 * (0.01 / 112) ** 0.5  # of the threshold's 112 images


def test_sets_hold_the_true_class_as_often_as_promised(server: Server, grey: Bundle) -> None:
    images, labels = digits(grey.policy, FRESH)
    threshold = httpx.get(f"{server.url}/model-info").json()["threshold"]
    probabilities = np.concatenate(
        [
            httpx.post(f"{server.url}/predict", json=body(images[start : start + 99])).json()["probabilities"]
            for start in range(0, len(images), 99)
        ]
    )
    coverage = np.mean(probabilities[np.arange(len(labels)), labels] >= threshold)
    assert coverage == pytest.approx(COVERAGE, abs=4 * (0.09 / 297 + 0.09 / 300) ** 0.5)


def test_every_protocol_says_the_same(server: Server, grey: Bundle) -> None:
    images = np.concatenate([grey.golden().images[:4], noise(4)])
    said = ask(server.url, images)
    assert len(set(said["unknown"])) == 2
    rows = httpx.post(f"{server.url}/invocations", json={"instances": images.tolist(), "params": {"range": 255}}).json()
    assert [row["unknown"] for row in rows["predictions"]] == said["unknown"]
    lines = "\n".join(httpx.Request("POST", "http://x", json=body(image)).content.decode() for image in images)
    stream = httpx.post(f"{server.url}/predict/batch", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert ['"unknown":true' in line for line in stream.text.splitlines()] == said["unknown"]
    tensor = {"name": "images", "datatype": "UINT8", "shape": list(images.shape), "data": images.ravel().tolist()}
    outputs = [{"name": "needs_review"}, {"name": "unknown"}]
    found = httpx.post(f"{server.url}/v2/models/digits/infer", json={"inputs": [tensor], "outputs": outputs}).json()
    assert [(one["datatype"], one["shape"]) for one in found["outputs"]] == [("BOOL", [8, 1])] * 2
    assert {one["name"]: one["data"] for one in found["outputs"]} == said


def test_the_model_says_what_it_promises(client: Client, grey: Bundle) -> None:
    info = client.get("/model-info").json()
    assert info["coverage"] == grey.manifest.conformal.coverage
    assert info["outlier_rate"] == 0.01


def test_the_client_library_says_it_too(server: Server) -> None:
    with eyas.Client(server.url) as client:
        answer = client.predict(noise(2))
    assert answer.unknown == (True, True)
    assert [image.unknown for image in answer] == [True, True]


@pytest.mark.parametrize("why", ["an older bundle", "switched off", "too few images"])
def test_where_nothing_can_be_called_unknown_the_answer_is_null(grey: Bundle, tmp_path: Path, why: str) -> None:
    bundle = make_bundle(tmp_path / "older", rows=False) if why == "an older bundle" else grey
    rate = {"switched off": 0, "too few images": 0.0001}.get(why, 0.01)
    with asgi_client(create_app(bundle, ServeConfig(outlier_rate=rate))) as client:
        answer = client.post("/predict", json=body(noise(2))).json()
        row = client.post("/invocations", json={"instances": noise(1).tolist(), "params": {"range": 255}}).json()
        info = client.get("/model-info").json()
        outputs = [one["name"] for one in client.get("/v2/models/digits").json()["outputs"]]
    assert answer["unknown"] is row["predictions"][0]["unknown"] is info["outlier_rate"] is None
    assert len(answer["needs_review"]) == 2
    assert outputs[-1] == "needs_review"


def test_a_failure_of_scoring_fails_no_prediction_is_counted_and_logged_once(
    grey: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = {"distance_means": np.zeros((10, 7), np.float16), "distance_axes": np.zeros((7, 3), np.float32)}
    bundle = altered(grey, tmp_path / "other", **other)
    with asgi_client(create_app(bundle, ServeConfig())) as client:
        answer = client.post("/predict", json=body(noise(2)))
        tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 8, 8, 1], "data": [0] * 64}
        asked = {"inputs": [tensor], "outputs": [{"name": "unknown"}]}
        tensors = client.post("/v2/models/digits/infer", json=asked).json()
        metrics = client.get("/metrics").text
    assert answer.status_code == 200
    assert answer.json()["unknown"] is None
    assert tensors["outputs"][0]["data"] == [True]  # the protocol has no null
    (family,) = (one for one in text_string_to_metric_families(metrics) if one.name == "eyas_model_unscored")
    assert [sample.value for sample in family.samples] == [2]
    assert caplog.text.count("images cannot be scored, ") == caplog.text.count("DataError('features must have") == 1


@given(rows=st.lists(st.integers(0, 15), min_size=1, max_size=8))
def test_an_image_is_as_unknown_in_any_company(client: Client, grey: Bundle, rows: list[int]) -> None:
    pool = np.concatenate([grey.golden().images[:8], noise(8)])
    scoring = open_scoring(grey.reference(), 0.01)
    assert scoring is not None
    expected = Predictor(grey, scorer=scoring.attempt).run(pool).unknown
    assert expected is not None
    assert client.post("/predict", json=body(pool[rows])).json()["unknown"] == expected[rows].tolist()


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_the_rate_has_its_bounds(grey: Bundle, rate: float) -> None:
    with pytest.raises(ConfigError, match="outlier_rate"):
        Scoring(read_calibration(grey.reference()), rate)
