"""The application under the ASGI servers that people run: see docs/howto/asgi.md."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import pytest

from eyas.bundle import Bundle
from support.server import free_port
from support.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "asgi.md"
COMMANDS = {
    "uvicorn": "uvicorn service:app --lifespan on --no-access-log --port",
    "granian": "granian --interface asgi service:app --no-access-log --port",
}
START_SECONDS = 60


@contextmanager
def served(command: str, folder: Path) -> Iterator[str]:
    """The address of an ASGI server in a process of its own; it starts and stops without a complaint."""
    port = free_port()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}
    words = [sys.executable, "-m", *command.split(), str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, env=env, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or _ready(url), START_SECONDS)
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    said = (folder / "log").read_text()
    assert "Traceback" not in said, said


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module", params=COMMANDS)
def url(request: pytest.FixtureRequest, grey: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's own service.py, over `grey`, under each of the servers that is installed."""
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed: pip install {request.param}")
    folder = tmp_path_factory.mktemp(request.param)
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    (folder / "service.py").write_text(found[1])
    (folder / "model").symlink_to(grey.path)
    with served(COMMANDS[request.param], folder) as made:
        yield made


def test_numbers_and_files_are_predicted(url: str, grey: Bundle, digit_file: Path) -> None:
    expected = grey.golden().probabilities[0]
    pixels = {"data": grey.golden().images[0].tolist(), "range": 255}
    image = {"content": digit_file.read_bytes(), "headers": {"Content-Type": "image/png"}}
    for answer in (httpx.post(f"{url}/predict", json=pixels), httpx.post(f"{url}/predict", **image)):  # type: ignore[arg-type]
        assert answer.status_code == 200
        np.testing.assert_allclose(answer.json()["probabilities"][0], expected, atol=1e-6)
        assert answer.headers["X-Prediction-Id"] == answer.json()["id"]


def test_a_batch_is_streamed(url: str, grey: Bundle) -> None:
    line = json.dumps({"data": grey.golden().images[0].tolist(), "range": 255})
    body = "\n".join([line, "{", *[line] * 98])
    headers = {"Content-Type": "application/x-ndjson"}
    with httpx.stream("POST", f"{url}/predict/batch", content=body, headers=headers) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        rows = [json.loads(one) for one in answer.iter_lines()]
    assert [row["image"] for row in rows] == list(range(100))
    assert [row["image"] for row in rows if "error" in row] == [1]


def test_a_body_above_the_limit_is_refused_whether_or_not_it_is_announced(url: str) -> None:
    """1 MB, as service.py has it."""
    headers = {"Content-Type": "application/json"}
    for content in (bytes(2_000_000), iter([bytes(100_000)] * 20)):
        answer = httpx.post(f"{url}/predict", content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "at most 1,000,000 bytes (serve.max_body_mb)" in answer.json()["detail"]
    assert httpx.get(f"{url}/livez").status_code == 200


def test_errors_have_the_shape_of_all_errors(url: str) -> None:
    answer = httpx.post(f"{url}/predict", json={"pixels": []})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/pixels")
    assert answer.headers["X-Request-Id"] == answer.json()["request_id"]
