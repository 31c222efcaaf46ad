"""Many images in one request, answered as a stream."""

import asyncio
import base64
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.app import create_app
from eyas.serve.http import Application
from support.asgi import Client, asgi_client
from support.server import Server

LINES = {"Content-Type": "application/x-ndjson"}


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "PNG")
    return stream.getvalue()


def answers(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def expect(rows: list[dict[str, Any]], bundle: Bundle, images: int) -> None:
    assert [row["image"] for row in rows] == list(range(images))
    got = np.array([row["probabilities"] for row in rows])
    np.testing.assert_allclose(got, bundle.golden().probabilities[:images], atol=1e-6)


def test_lines_and_files_are_answered_in_order(server: Server, grey: Bundle) -> None:
    images = grey.golden().images
    lines = [json.dumps({"data": image.tolist(), "range": 255}) for image in images[:8]]
    lines += [json.dumps({"b64": base64.b64encode(png(image)).decode()}) for image in images[8:12]]
    lines += [json.dumps({"image_bytes": {"b64": base64.b64encode(png(image)).decode()}}) for image in images[12:]]
    url = f"{server.url}/predict/batch"
    expect(answers(httpx.post(url, content="\n".join(lines), headers=LINES)), grey, 16)
    expect(answers(httpx.post(url, content="\n\n".join(lines) + "\n", headers=LINES)), grey, 16)
    files = [("file", (f"{n}.png", png(image))) for n, image in enumerate(images)]
    expect(answers(httpx.post(url, files=files)), grey, 16)


def test_what_cannot_be_read_is_a_line_and_the_rest_goes_on(client: Client, grey: Bundle) -> None:
    good = json.dumps({"data": grey.golden().images[0].tolist(), "range": 255})
    two = json.dumps({"data": grey.golden().images[:2].tolist(), "range": 255})
    lines = ["{", '{"data": [0.5]}', good, '{"b64": "%"}', '{"b64": "aGVsbG8="}', two, "[]", '{"b64": 7}', good]
    rows = answers(client.post("/predict/batch", content="\n".join(lines), headers=LINES))
    assert [row["image"] for row in rows] == list(range(len(lines)))
    faults = {row["image"]: (row["status"], row["error"]) for row in rows if "error" in row}
    assert set(faults) == {0, 1, 3, 4, 5, 6, 7}
    assert faults[0][0] == 400
    assert {status for image, (status, _) in faults.items() if image} == {422}
    for image, says in {
        1: "/data",
        3: "in base64",
        4: "not an image",
        5: "at most 1 images, got 2",
        6: "object",
    }.items():
        assert says in faults[image][1]
    assert rows[1]["pointer"] == "/data"
    assert rows[2] | {"image": 8} == rows[8]


def test_a_file_that_is_no_image_is_a_line_too(client: Client, grey: Bundle) -> None:
    content = png(grey.golden().images[0])
    rows = answers(
        client.post("/predict/batch", files=[("a", ("a", content)), ("b", ("b", b"x")), ("c", ("c", content))])
    )
    assert [row.get("status") for row in rows] == [None, 422, None]


def test_a_batch_that_is_wrong_as_a_whole_is_a_problem(grey: Bundle) -> None:
    with asgi_client(create_app(grey, ServeConfig(max_batch_images=3))) as client:
        for body, status, says in (
            ({"content": b"", "headers": LINES}, 422, "at least one line"),
            ({"content": b"{}\n" * 4, "headers": LINES}, 422, "at most 3 lines, got 4"),
            ({"content": b"{}\n{}\n{}\n{}", "headers": LINES}, 422, "at most 3 lines, got 4"),
            ({"files": [("a", ("a", b"x"))] * 4}, 422, "at most 3 images"),
            ({"json": {}}, 415, "application/x-ndjson, multipart/form-data, got application/json"),
        ):
            response = client.post("/predict/batch", **body)
            assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
            assert says in response.json()["detail"]
        assert len(answers(client.post("/predict/batch", content=b"{}\n" * 3, headers=LINES))) == 3


async def _first_line(app: Application, body: bytes, lines: int, *, leave: bool) -> tuple[list[bytes], int]:
    """Ask by hand; the pieces sent, and how many of them had come when the client could first have left."""
    sent: list[bytes] = []
    gone = asyncio.Event()
    asked = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in asked:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if piece := message.get("body"):
            sent.append(piece)
            if leave and len(sent) == lines:
                gone.set()
        await asyncio.sleep(0)

    scope = {"type": "http", "method": "POST", "path": "/predict/batch", "query_string": b""}
    headers = [(b"content-type", b"application/x-ndjson")]
    await app({**scope, "headers": headers}, receive, send)
    return sent, len(sent)


@pytest.mark.parametrize("leave", [True, False])
def test_lines_are_sent_one_by_one_and_no_more_once_the_client_has_left(grey: Bundle, leave: bool) -> None:
    line = json.dumps({"data": grey.golden().images[0].tolist(), "range": 255}).encode() + b"\n"
    app = create_app(grey, ServeConfig())
    sent, _ = asyncio.run(_first_line(app, line * 200, 2, leave=leave))
    together = max(piece.count(b"\n") for piece in sent)
    assert together <= 8  # the most that any model predicts together
    came = sum(piece.count(b"\n") for piece in sent)
    assert (came <= 4 * together) if leave else (came == 200)
