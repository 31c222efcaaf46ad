"""Workers that share the weights of their model."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from eyas.bundle import Bundle, Repository
from eyas.core.schema import ServeConfig
from eyas.infer import Predictor
from eyas.serve.messages import Served, Version
from eyas.serve.models import Models
from eyas.serve.processes import optimiser, weights
from eyas.serve.processes.shelf import Shelf
from support.bundles import make_bundle
from support.server import free_port
from support.waiting import wait_until

RUN = """
import sys
from pathlib import Path
from eyas.core.schema import ServeConfig
from eyas.serve.processes import optimiser
from eyas.serve.server import serve
optimiser.SHARED_BYTES = 0
serve(Path(sys.argv[1]), ServeConfig(port=int(sys.argv[2]), workers=2, monitor=None))
"""


@pytest.fixture(autouse=True)
def _small_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimiser, "SHARED_BYTES", 0)


def test_an_optimised_graph_answers_as_the_bundles_own(colour: Bundle, tmp_path: Path) -> None:
    assert weights.find(tmp_path, colour) is None
    weights.make(tmp_path, colour)
    graph = weights.find(tmp_path, colour)
    assert graph
    images = colour.golden().images
    expected = Predictor(colour, 1).run(images)
    np.testing.assert_array_equal(
        Predictor(colour, 1, optimised=graph).run(images).probabilities, expected.probabilities
    )


def test_small_graphs_are_not_worth_it(grey: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimiser, "SHARED_BYTES", grey.model.stat().st_size + 1)
    weights.make(tmp_path, grey)
    assert weights.find(tmp_path, grey) is None


def test_where_there_is_no_place_each_worker_has_its_own(
    grey: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights.make(tmp_path / "none", grey)
    assert "each worker has weights" in caplog.text
    shelf = Shelf(Models("digits"), 1, ServeConfig(), tmp_path / "none")
    shelf.fill(table(grey))
    assert shelf.models.find("digits").version == "digits-1"


def test_a_damaged_optimised_graph_is_not_needed(
    grey: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights.make(tmp_path, grey)
    graph = weights.find(tmp_path, grey)
    assert graph
    graph.write_bytes(b"damaged")
    shelf = Shelf(Models("digits"), 1, ServeConfig(), tmp_path)
    shelf.fill(table(grey))
    assert "is loaded with weights of its own" in caplog.text
    assert shelf.models.find("digits").version == "digits-1"


def test_a_version_that_has_left_takes_its_graph_with_it(grey: Bundle, tmp_path: Path) -> None:
    """But for a graph that another version has as well; and who has it loaded goes on."""
    folder = tmp_path / "weights"
    folder.mkdir()
    same = make_bundle(tmp_path / "same", version="digits-2")
    other = make_bundle(tmp_path / "other", version="digits-3", sharpness=2.0)
    for bundle in (grey, other):
        weights.make(folder, bundle)
    assert weights.find(folder, other)
    shelf = Shelf(Models("digits"), 1, ServeConfig(), folder)
    shelf.fill(table(grey, same, other))
    old = shelf.models.find("digits", "digits-3")
    shelf.activate(table(grey, same))
    assert weights.find(folder, other) is None
    shelf.activate(table(same))
    assert weights.find(folder, same)
    images = other.golden().images
    np.testing.assert_allclose(old.predict(images).probabilities, other.golden().probabilities, atol=1e-4)


def table(*bundles: Bundle) -> tuple[Served]:
    versions = tuple(Version("digits", one.manifest.version, str(one.path)) for one in bundles)
    return (Served("digits", versions[0].version, versions),)


@contextmanager
def sharing(path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A real server that shares the weights of small graphs too, and its address."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", RUN, str(path), str(port)]) as process:
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="finds what is mapped in /proc")
@pytest.mark.parametrize("several", [False, True], ids=["bundle", "repository"])
def test_workers_map_the_same_file_and_it_goes_with_the_service(colour: Bundle, tmp_path: Path, several: bool) -> None:
    if several:
        Repository(tmp_path / "models").publish(colour.path, model="digits", live=True)
    with sharing(tmp_path / "models" if several else colour.path) as (process, url):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

        def mapped() -> list[set[str]]:
            maps = [Path(f"/proc/{one}/maps").read_text() for one in children.read_text().split()]
            return [set(re.findall(r"\S*/eyas-weights-\S*", one)) for one in maps]

        wait_until(lambda: len(found := mapped()) == 2 and all(found), 60)
        first, second = mapped()
        assert first == second
        pixels = {"data": colour.golden().images[0].tolist(), "range": 255}
        wait_until(lambda: _answers(url), 60)
        answer = httpx.post(f"{url}/predict", json=pixels).json()
        np.testing.assert_allclose(answer["probabilities"][0], colour.golden().probabilities[0], atol=1e-4)
        folder = next(one for one in Path(first.pop()).parents if one.name.startswith("eyas-weights-"))
        assert folder.exists()
    assert process.returncode == 0
    assert not folder.exists()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
