"""Both clients against the real server."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import eyas
from eyas.bundle import Bundle
from eyas.client import AsyncClient, Client, ServiceError
from eyas.core.errors import ConfigError, InputError
from support.bundles import CLASSES
from support.server import Server

FORMS = {
    "path": lambda files, images: files[0],
    "str": lambda files, images: str(files[0]),
    "bytes": lambda files, images: files[0].read_bytes(),
    "bytearray": lambda files, images: bytearray(files[0].read_bytes()),
    "(H, W, C) uint8": lambda files, images: images[0],
    "(N, H, W, C) uint8": lambda files, images: images,
    "(N, H, W, C) float64": lambda files, images: images / 255,
    "(N, H, W, C) float32": lambda files, images: (images / 255).astype(np.float32),
    "(N, H, W, 3)": lambda files, images: images.repeat(3, axis=3),
    "Pillow": lambda files, images: Image.open(files[0]),
    "paths": lambda files, images: files,
    "all kinds": lambda files, images: [files[0], files[1].read_bytes(), Image.open(files[2]), images[3], images[4:6]],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_images_gets_the_golden_answers(
    ask: Any, server: Server, bundle: Bundle, digit_files: list[Path], form: str
) -> None:
    golden = bundle.golden()
    answer = ask(server.url, "predict", FORMS[form](digit_files, golden.images))
    expected = golden.probabilities[: len(answer)]
    assert len(answer) == {"paths": 16, "all kinds": 6}.get(form, 16 if form.startswith("(N") else 1)
    np.testing.assert_allclose(answer.probabilities, expected, atol=1e-4)
    assert answer.predictions == tuple(expected.argmax(axis=1))
    assert answer.labels == tuple(CLASSES[k] for k in answer.predictions)
    assert answer.confidence == pytest.approx(expected.max(axis=1), abs=1e-4)
    assert answer.version == "digits-1"
    assert answer.id


def test_a_loop_over_an_answer_gives_its_images(server: Server, digit_files: list[Path]) -> None:
    with Client(server.url) as client:
        answer = client.predict(digit_files[:3])
    images = list(answer)
    assert tuple(image.label for image in images) == answer.labels
    assert tuple(image.prediction for image in images) == answer.predictions
    assert tuple(image.confidence for image in images) == answer.confidence
    assert tuple(image.probabilities for image in images) == answer.probabilities
    assert tuple(image.needs_review for image in images) == answer.needs_review
    assert answer[2] == answer[-1] == images[2]
    assert [image.id for image in images] == [f"{answer.id}-{row}" for row in range(3)]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_pillow_image_is_what_its_file_is(server: Server, bundle: Bundle, tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(bundle.golden().images[1, ..., 0]).resize((12, 8))
    image = image if mode == "I;16" else image.convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    image.save(path, exif=exif)
    with Client(server.url) as client, Image.open(path) as opened:
        assert opened.getexif()[0x0112] == 6
        assert client.predict(opened).probabilities == client.predict(path).probabilities


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "image 1 must be a path, the bytes of an image file, a NumPy array or a Pillow image, got int"),
        (["no.png", None], "no.png: cannot be read: No such file"),
        ([b"x", None], "image 2 must be a path"),
        ([], "at least one image, got none"),
        (np.zeros((0, 8, 8, 1), np.uint8), "at least one image, got none"),
        (np.zeros((8, 8), np.uint8), r"got \(8, 8\); a grey image needs its channel"),
        (
            np.zeros((3, 8, 9), np.uint8),
            r"\(H, W, C\) or \(N, H, W, C\) with C = 1 or 3, got \(3, 8, 9\); channels come",
        ),
        (np.zeros((8, 0, 1), np.uint8), r"got \(8, 0, 1\)"),
        (np.zeros((8, 8, 1), int), r"must be uint8, or float in \[0, 1\], got int64"),
        (np.full((8, 8, 1), 200.0), r"must lie in \[0, 1\], got 200 to 200; for bytes: array.astype"),
        (np.full((8, 8, 1), -0.5), r"must lie in \[0, 1\], got -0.5 to -0.5$"),
        (np.full((8, 8, 1), np.nan), r"must lie in \[0, 1\], got nan"),
    ],
)
def test_what_is_no_image_is_refused_before_anything_is_sent(ask: Any, given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ask("http://127.0.0.1:9", "predict", given)


def test_a_torn_pillow_image_is_an_input_error(digit_files: list[Path]) -> None:
    whole = io.BytesIO()
    Image.fromarray(np.arange(4096, dtype=np.uint16).astype(np.uint8).reshape(64, 64)).save(whole, "BMP")
    with Client("http://127.0.0.1:9") as client, pytest.raises(InputError, match="image 1: the image is damaged"):
        client.predict(Image.open(io.BytesIO(whole.getvalue()[:2000])))


def test_what_the_service_refuses_is_told_in_its_words(
    ask: Any, server: Server, digit_files: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(
        ServiceError, match=r"POST http://127.0.0.1:\d+/predict gave 422: the image is damaged"
    ) as caught:
        ask(server.url, "predict", digit_files[0].read_bytes()[:60])
    error = caught.value
    assert (error.status, error.exit_code, error.retry_after) == (422, 7, None)
    assert error.detail.startswith("the image is damaged")
    assert len(error.request_id) == 32
    empty = tmp_path / "01.png"
    empty.write_bytes(b"")
    with pytest.raises(ServiceError, match=r"the part file \(01.png\): the image file is empty"):
        ask(server.url, "predict", [digit_files[0], empty])
    with pytest.raises(ServiceError, match="413: the body must be at most 50,000 bytes"):
        ask(server.url, "predict", bytes(60_000))


def test_a_model_and_a_version_are_asked_for_by_name(ask: Any, server: Server, digit_files: list[Path]) -> None:
    assert ask(server.url, "predict", digit_files[0], model="digits", version="digits-1").version == "digits-1"
    assert ask(server.url, "model_info", model="digits", version="digits-1")["name"] == "digits"
    for words, said in (({"model": "cats"}, "no model cats"), ({"version": "9"}, "no version 9")):
        for method, arguments in (("predict", digit_files[:1]), ("model_info", [])):
            with pytest.raises(ServiceError, match=said) as caught:
                ask(server.url, method, *arguments, **words)
            assert caught.value.status == 404


def test_the_service_describes_itself(ask: Any, server: Server) -> None:
    assert ask(server.url, "health")["version"] == "digits-1"
    assert ask(server.url, "model_info")["classes"] == list(CLASSES)
    assert ask(server.url, "ready") is True
    assert ask(server.url + "/", "ready") is True


def test_threads_share_a_client(server: Server, bundle: Bundle) -> None:
    golden = bundle.golden()
    with Client(server.url) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(client.predict, golden.images))
    assert [answer.predictions[0] for answer in answers] == golden.probabilities.argmax(axis=1).tolist()


def test_tasks_share_a_client(server: Server, bundle: Bundle) -> None:
    golden = bundle.golden()

    async def run() -> list[eyas.client.Answer]:
        async with AsyncClient(server.url) as client:
            return await asyncio.gather(*(client.predict(image) for image in golden.images))

    answers = asyncio.run(run())
    assert [answer.predictions[0] for answer in answers] == golden.probabilities.argmax(axis=1).tolist()


def test_an_image_with_an_odd_name_is_sent(ask: Any, server: Server, digit_files: list[Path], tmp_path: Path) -> None:
    odd = [tmp_path / 'a"b\n.png', Path(str(tmp_path) + "/\udcff.png"), tmp_path / "日本.png"]
    for path in odd:
        path.write_bytes(digit_files[0].read_bytes())
    assert len(set(ask(server.url, "predict", odd).predictions)) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:5000", "got 'localhost:5000'"),
        ("", "got ''"),
        ("ftp://host", "got 'ftp://host'"),
        ("http://", "got 'http://'"),
        ("http://host?x=1", "nothing else, got"),
        ("http://host:99999", "99999"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, said: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ConfigError, match=r"must be http://HOST:PORT or https://…") as caught:
            kind(url)
        assert said in str(caught.value)


def test_passwords_and_tokens_do_not_come_into_errors() -> None:
    with pytest.raises(ConfigError) as caught:
        Client("http://me:secret@host")
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="must be printable ASCII") as caught:
        Client("http://host", token="secret\nX-Other: 1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"timeout": 0}, "timeout must be a number of seconds above 0, got 0"),
        ({"timeout": None}, "timeout must be a number of seconds above 0, got None"),
        ({"connect_timeout": float("nan")}, "connect_timeout must be a number of seconds above 0, got nan"),
        ({"tries": 0}, "tries must be an integer from 1, got 0"),
    ],
)
def test_settings_have_their_rules(options: dict[str, Any], said: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ConfigError, match=said):
            kind("http://host", **options)


def test_the_client_loads_no_inference_and_no_server() -> None:
    unwanted = ("torch", "onnxruntime", "uvicorn", "msgspec", "eyas.infer", "eyas.serve")
    code = f"import sys, eyas; eyas.Client; print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
