"""The main flows against the real server, in a process of its own."""

import errno
import json
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from eyas.bundle import Bundle
from eyas.core.errors import ServingError
from eyas.core.schema import ServeConfig
from eyas.serve.http.connection import IDLE_SECONDS
from eyas.serve.server import serve
from support.server import Server, free_port, running, start


def curl(*arguments: str) -> dict:
    return json.loads(subprocess.run(["curl", "-sS", *arguments], check=True, capture_output=True, timeout=30).stdout)


def test_the_courses_curl_commands(server: Server, grey: Bundle) -> None:
    health = curl(f"{server.url}/health")
    assert health == {"status": "healthy", "model_loaded": True, "preprocessor_loaded": True, "version": "digits-1"}
    info = curl(f"{server.url}/model-info")
    assert info["input_shape"] == "(None, 8, 8, 1)"
    pixels = (grey.golden().images[0].ravel() / 255).tolist()
    body = json.dumps({"data": [pixels]})
    answer = curl("-X", "POST", f"{server.url}/predict", "-H", "Content-Type: application/json", "-d", body)
    assert answer["predictions"] == [int(grey.golden().probabilities[0].argmax())]
    assert answer["confidence"] == [pytest.approx(grey.golden().probabilities[0].max(), abs=1e-6)]
    np.testing.assert_allclose(answer["probabilities"], grey.golden().probabilities[:1], atol=1e-6)


def courses_python_example(url: str, image: Path) -> list[dict]:
    """The course's script, with httpx in requests' place; both its ways of sending the pixels."""
    img = Image.open(image)
    img_array = np.array(img.resize((224, 224))) / 255.0
    answers = []
    for data in (img_array.flatten().tolist(), img_array.tolist()):
        response = httpx.post(url, json={"data": [data]}, timeout=30)
        result = response.json()
        print(f"Predicted class: {result['predictions'][0]}")
        print(f"Confidence: {result['confidence'][0]:.2%}")
        answers.append(result)
    return answers


def test_the_courses_python_example(
    large: Bundle, colour: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, bundle in enumerate((large, colour)):  # a model of that size, and one of another
        file = tmp_path / f"{number}.jpg"
        Image.fromarray(bundle.golden().images[0]).save(file, quality=95)
        with running(bundle.path) as server:
            flat, nested = courses_python_example(f"{server.url}/predict", file)
        assert flat["predictions"] == nested["predictions"] == [int(bundle.golden().probabilities[0].argmax())]
        assert flat["probabilities"] == nested["probabilities"]
    assert "Confidence: " in capsys.readouterr().out


def test_files_by_curl(server: Server, grey: Bundle, digit_file: Path) -> None:
    url, expected = f"{server.url}/predict", int(grey.golden().probabilities[0].argmax())
    assert curl("-F", f"image=@{digit_file}", "-F", f"other=@{digit_file}", url)["predictions"] == [expected, expected]
    raw = curl("-H", "Content-Type: image/png", "--data-binary", f"@{digit_file}", url)
    assert raw["predictions"] == [expected]


def test_many_requests_at_once_all_get_their_own_answer(server: Server, grey: Bundle) -> None:
    from concurrent.futures import ThreadPoolExecutor

    golden = grey.golden()
    with httpx.Client(base_url=server.url) as http, ThreadPoolExecutor(8) as pool:
        bodies = [{"data": (image / 255).tolist()} for image in golden.images] * 4
        answers = list(pool.map(lambda body: http.post("/predict", json=body).json(), bodies))
    np.testing.assert_allclose(
        [answer["probabilities"][0] for answer in answers], np.tile(golden.probabilities, (4, 1)), atol=1e-6
    )
    assert len({answer["id"] for answer in answers}) == len(answers)


@pytest.mark.parametrize("announced", [True, False])
def test_a_large_body_is_refused_while_it_is_read(server: Server, announced: bool) -> None:
    """Against the limit of 1 MB: only the header, or an endless chunked body, is sent before the answer comes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        length = b"Content-Length: 300000000" if announced else b"Transfer-Encoding: chunked"
        raw.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + length + b"\r\n\r\n")
        if not announced:
            for _ in range(17):
                raw.sendall(b"10000\r\n" + b"1" * 0x10000 + b"\r\n")
        answer = b""
        while b"serve.max_body_mb" not in answer:
            received = raw.recv(65536)
            assert received, f"closed after {answer!r}"
            answer += received
    assert answer.startswith(b"HTTP/1.1 413")
    assert httpx.get(f"{server.url}/health").status_code == 200


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_goes_when_told(grey: Bundle, told: signal.Signals) -> None:
    with running(grey.path) as server:
        server.process.send_signal(told)
        _, err = server.process.communicate(timeout=20)
    assert server.process.returncode == 0
    assert f"eyas serves on {server.url}" in err
    assert "Traceback" not in err


def test_an_idle_connection_is_closed(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=IDLE_SECONDS + 15) as raw:
        raw.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while received := raw.recv(65536):  # until the server closes
            answer += received
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_port_in_use_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServingError, match=rf"port {port} on 127.0.0.1 is already in use; .*serve.port={port + 1}"):
            serve(tmp_path / "no-bundle", ServeConfig(port=port))


def test_a_port_that_this_user_may_not_take_is_told_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bind(taken: socket.socket, address: tuple[str, int]) -> None:
        if address[1] == 80:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(ServingError, match=r"ports from 1024 up may: serve\.admin_port=5001"):
        serve(tmp_path / "no-bundle", ServeConfig(admin=True, admin_port=80))


def test_a_host_that_is_not_ours_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"192\.0\.2\.1"):
        serve(tmp_path / "no-bundle", ServeConfig(host="192.0.2.1", port=free_port(), open_to_network=True))
    with pytest.raises(ServingError, match=r"serve\.host must be an address"):
        serve(tmp_path / "no-bundle", ServeConfig(host="no such host", port=free_port()))


def test_a_damaged_bundle_is_not_served(grey: Bundle, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(grey.path, tmp_path / "bundle")
    (copy / "model.onnx").write_bytes(b"x")
    server = start(copy)
    _, err = server.process.communicate(timeout=60)
    assert server.process.returncode != 0
    assert "IntegrityError" in err
