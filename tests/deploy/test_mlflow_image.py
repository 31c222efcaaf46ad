"""MLflow's image: what it holds, and that its server answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.images import Image, locked, needs_builder, plain_image, serving
from support.server import free_port

STORES = ("--backend-store-uri=sqlite:////mlflow/mlflow.db", "--artifacts-destination=/mlflow/artifacts")
pytestmark = needs_builder


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with plain_image("mlflow") as built:
        yield built


def test_it_holds_what_the_lock_names_and_nothing_that_builds(image: Image, capsys: pytest.CaptureFixture[str]):
    own = image.own()
    assert own["user"] == 10001
    assert not {"pip", "cc", "torch"} & set(own["found"])
    assert set(own["writable"]) <= {"/mlflow"}
    assert own["installed"] == locked("mlflow")
    with capsys.disabled():
        print(f"\nMLflow's image adds {image.added_megabytes():.1f} MB to its base")


def test_its_server_keeps_an_experiment_and_has_pages(image: Image, tmp_path: Path):
    url = f"http://127.0.0.1:{free_port()}"
    words = ("mlflow", "server", "--host=127.0.0.1", f"--port={url.rpartition(':')[2]}", "--workers=1", *STORES)
    with serving(image.words(*words, writable=("/mlflow",)), f"{url}/health", tmp_path / "log"):
        experiments = f"{url}/api/2.0/mlflow/experiments"
        made = httpx.post(f"{experiments}/create", json={"name": "digits"}, timeout=60).json()
        asked = {"experiment_id": made["experiment_id"]}
        assert httpx.get(f"{experiments}/get", params=asked, timeout=60).json()["experiment"]["name"] == "digits"
        assert "<title>MLflow</title>" in httpx.get(url, timeout=60).text
