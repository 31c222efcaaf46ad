"""What the event loop does with a body before it is decoded."""

import io
from time import perf_counter

import numpy as np
import pytest
from PIL import Image

from eyas.core.schema import ServeConfig
from eyas.image import ImagePolicy
from eyas.serve.lane import SHORT
from eyas.serve.reading import BodyReader

READER = BodyReader(ImagePolicy(8, 8, 3), ServeConfig())


def file(kind: str, side: int = 32) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def padded(size: int) -> bytes:
    """A JPEG whose header holds so many bytes of empty comments, each of which is read by itself."""
    whole = file("jpeg")
    return whole[:2] + b"\xff\xfe\x00\x02" * (size // 4) + whole[2:]


def test_a_long_header_is_not_read_on_the_loop() -> None:
    content = padded(2_000_000)
    began = perf_counter()
    reading = READER.file(content)
    looked = perf_counter() - began
    assert reading.decode().shape == (1, 8, 8, 3)
    assert looked < (perf_counter() - began - looked) / 10
    assert reading.seconds > SHORT  # it is decoded in a thread


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_the_size_of_a_large_image_is_known_from_its_beginning(kind: str) -> None:
    side = 1000
    assert READER.file(file(kind, side)).seconds > side * side * 10e-9


def test_a_small_file_is_decoded_at_once() -> None:
    assert READER.file(file("png")).seconds < SHORT / 10
