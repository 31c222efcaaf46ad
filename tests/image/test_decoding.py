"""The one path from an encoded image to an array."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eyas.core.errors import InputError, UnsafeDataError
from eyas.image import (
    READ_FORMATS,
    SERVED_FORMATS,
    SUFFIXES,
    ImagePolicy,
    from_pixels,
    is_image_path,
    open_image,
    read_image,
    to_png,
)

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
AS_GREY, AS_RGB = ImagePolicy(6, 9, 1), ImagePolicy(6, 9, 3)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return start + struct.pack(">I", 100) + b"IDAT" + bytes(104)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_grey_comes_back(kind: str) -> None:
    content = encoded(Image.fromarray(GREY), kind)
    np.testing.assert_array_equal(read_image(content, AS_GREY)[..., 0], GREY)
    np.testing.assert_array_equal(read_image(content, AS_RGB), np.repeat(GREY[..., None], 3, axis=2))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_colour_comes_back(kind: str, tmp_path: Path) -> None:
    content = encoded(Image.fromarray(RGB), kind)
    np.testing.assert_array_equal(read_image(content, AS_RGB), RGB)
    (tmp_path / "image").write_bytes(content)
    np.testing.assert_array_equal(read_image(tmp_path / "image", AS_RGB), RGB)


@pytest.mark.parametrize(("pixels", "policy"), [(GREY, AS_GREY), (GREY[..., None], AS_GREY), (RGB, AS_RGB)])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_written_png_comes_back(pixels: np.ndarray, policy: ImagePolicy, level: int) -> None:
    back = read_image(to_png(pixels, level=level), policy, formats=("PNG",))
    np.testing.assert_array_equal(back, pixels.reshape(policy.shape))


def test_a_palette_is_looked_up() -> None:
    palette = Image.fromarray(RGB).quantize(16)
    np.testing.assert_array_equal(read_image(encoded(palette), AS_RGB), np.asarray(palette.convert("RGB")))


def test_black_and_white_becomes_0_and_255() -> None:
    content = encoded(Image.fromarray(GREY > 127))
    np.testing.assert_array_equal(read_image(content, AS_GREY)[..., 0], np.where(GREY > 127, 255, 0))


@pytest.mark.parametrize(("mode", "ink", "shown"), [("RGBA", (0, 0, 0), 3), ("LA", (0,), 1)])
def test_transparent_pixels_lie_on_white(mode: str, ink: tuple[int, ...], shown: int) -> None:
    image = Image.new(mode, (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        image.putpixel((x, 0), (*ink, alpha))
    pixels = read_image(encoded(image), ImagePolicy(1, 3, 3))
    assert pixels[0, :, 0].tolist() == [255, 127, 0]
    assert (pixels == pixels[..., :1]).all()
    assert len(open_image(encoded(image)).getbands()) == shown


def test_a_transparent_palette_entry_lies_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((1, 0), 1)
    pixels = read_image(encoded(image, transparency=0), ImagePolicy(1, 2, 3))
    assert pixels[0].tolist() == [[255, 255, 255], [10, 20, 30]]


def test_16_bit_grey_keeps_its_high_byte() -> None:
    deep = GREY.astype(np.uint16) * 256 + 77
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(read_image(encoded(Image.fromarray(deep), kind), AS_GREY)[..., 0], GREY)


def test_cmyk_becomes_rgb() -> None:
    content = encoded(Image.new("CMYK", (9, 6), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = read_image(content, AS_RGB).reshape(-1, 3).mean(axis=0)
    assert red > 250
    assert green < 5
    assert blue < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_image_upright(orientation: int) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # what a camera held so has stored
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = Image.fromarray(RGB)
    stored = upright.transpose(turns[orientation]) if orientation in turns else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read_image(encoded(stored, exif=exif), AS_RGB), RGB)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_a_truncated_image_is_damaged(kind: str) -> None:
    content = encoded(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)), kind)
    with pytest.raises(InputError, match=r"damaged|not an image"):
        read_image(content[: len(content) // 2], AS_RGB)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<svg/>"])
def test_what_is_no_image_is_refused(content: bytes) -> None:
    with pytest.raises(InputError):
        read_image(content, AS_RGB)


def test_other_formats_are_refused_where_formats_are_listed() -> None:
    content = encoded(Image.new("L", (16, 16)), "ICO")
    assert read_image(content, AS_GREY).shape == (6, 9, 1)
    with pytest.raises(InputError, match=r"allowed: PNG, JPEG"):
        read_image(content, AS_GREY, formats=SERVED_FORMATS)


@pytest.mark.parametrize("side", [8_000, 20_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(UnsafeDataError, match=r"pixels"):
        read_image(png_header(side, side), AS_RGB)


def test_the_limit_is_inclusive() -> None:
    content = encoded(Image.fromarray(RGB))
    read_image(content, AS_RGB, max_pixels=54)
    with pytest.raises(UnsafeDataError, match="9×6 pixels; at most 53"):
        read_image(content, AS_RGB, max_pixels=53)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_is_taken(kind: str) -> None:
    first, second = Image.new("RGB", (9, 6), (255, 0, 0)), Image.new("RGB", (9, 6), (0, 0, 255))
    content = encoded(first, kind, save_all=True, append_images=[second])
    assert read_image(content, AS_RGB)[3, 4].tolist() == pytest.approx([255, 0, 0], abs=2)


def test_an_absent_file_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        read_image(tmp_path / "absent.png", AS_RGB)


def test_an_impossible_tiff_offset_is_damage() -> None:
    content = bytearray(encoded(Image.fromarray(RGB), "TIFF"))
    for place in range(8, len(content) - 4, 2):
        broken = content.copy()
        broken[place : place + 4] = b"\xff\xff\xff\xff"
        try:
            read_image(bytes(broken), AS_RGB)
        except (InputError, UnsafeDataError):
            continue


def bars(policy: ImagePolicy) -> np.ndarray:
    """A 40 × 20 image (width × height), its left half black and its right half white."""
    image = np.zeros((20, 40, 1), np.uint8)
    image[:, 20:] = 255
    return from_pixels(image, policy)[..., 0]


def test_stretch_fills_the_square() -> None:
    assert bars(ImagePolicy(10, 10, 1, "stretch"))[5].tolist()[::3] == [0, 0, 255, 255]


def test_crop_keeps_the_middle() -> None:
    cropped = bars(ImagePolicy(10, 10, 1, "crop"))
    assert (cropped[:, :4] == 0).all()
    assert (cropped[:, 6:] == 255).all()
    wide = np.zeros((10, 30, 1), np.uint8)
    wide[:, 10:20] = 9
    assert (from_pixels(wide, ImagePolicy(10, 10, 1, "crop")) == 9).all()


def test_pad_keeps_all_on_black() -> None:
    white = np.full((10, 20, 3), 255, np.uint8)
    padded = from_pixels(white, ImagePolicy(20, 20, 3, "pad"))
    assert (padded[:5] == 0).all()
    assert (padded[5:15] == 255).all()
    assert (padded[15:] == 0).all()


def test_pixels_that_fit_are_not_touched() -> None:
    assert from_pixels(RGB, AS_RGB) is RGB
    assert from_pixels(RGB, AS_GREY).shape == (6, 9, 1)
    np.testing.assert_array_equal(from_pixels(GREY[..., None], AS_RGB), np.repeat(GREY[..., None], 3, axis=2))


def test_files_and_pixels_take_the_same_path() -> None:
    for resize in ("stretch", "crop", "pad"):
        policy = ImagePolicy(5, 5, 3, resize)
        np.testing.assert_array_equal(read_image(encoded(Image.fromarray(RGB)), policy), from_pixels(RGB, policy))


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 6\n%%EndComments\n0 0 9 6 rectfill\nshowpage\n"


def test_nothing_is_given_to_ghostscript() -> None:
    with pytest.raises(InputError, match="not an image in a known format"):
        read_image(EPS, AS_RGB)


def test_a_dds_of_an_unknown_kind_is_damaged() -> None:
    header = struct.pack("<7I44x8I20x", 124, 0x1007, 6, 9, 0, 0, 0, 32, 4, 0x31415926, 0, 0, 0, 0, 0)
    with pytest.raises(InputError, match=r"damaged: .*pixel format"):
        read_image(b"DDS " + header + bytes(400), AS_RGB)


@pytest.mark.parametrize("kind", ["PCX", "TGA", "SGI", "DDS", "PPM", "QOI", "ICO", "DIB"])
def test_rarer_formats(kind: str) -> None:
    assert read_image(encoded(Image.new("RGB", (16, 16), (255, 0, 0)), kind), AS_RGB).shape == (6, 9, 3)


def test_every_suffix_of_a_readable_format_counts() -> None:
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in READ_FORMATS}
    assert {".pcx", ".png", ".jpeg"} <= known <= SUFFIXES


@pytest.mark.parametrize("path", ["a.png", "A.JPG", "../x/a.pcx", Path("cat/1.webp"), "./a.b.tif"])
def test_names_of_images(path: str | Path) -> None:
    assert is_image_path(path)


@pytest.mark.parametrize("path", ["a.txt", "png", "._x.png", ".cache/a.png", "__MACOSX/cat/a.png", Path("a/.b.jpg")])
def test_names_of_other_files(path: str | Path) -> None:
    assert not is_image_path(path)


def test_16_bit_grey_takes_little_memory() -> None:
    content = encoded(Image.fromarray(np.full((1000, 1000), 513, np.uint16)))
    tracemalloc.start()
    image = open_image(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert image.getpixel((0, 0)) == 2
    assert peak < 6_000_000  # bytes; int64 took 17 million


def test_an_image_is_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[Image.Image] = []
    copy = Image.Image.copy
    monkeypatch.setattr(Image.Image, "copy", lambda image: copies.append(image) or copy(image))
    image = open_image(encoded(Image.fromarray(RGB)))
    np.testing.assert_array_equal(np.asarray(image), RGB)
    assert len(copies) == 1
