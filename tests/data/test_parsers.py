"""IDX and .npz read back what was written, and answer anything else with a DataError."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
from data_samples import TRAIN, cifar_batch, idx, keras_npz, npz
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eyas.core.errors import DataError, UnsafeDataError
from eyas.data.sources import cifar
from eyas.data.sources.contents import from_numbers
from eyas.data.sources.idx import parse as parse_idx
from eyas.data.sources.npz import parse as parse_npz

ARRAYS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6))


@given(ARRAYS, st.booleans())
def test_idx_reads_back(array: np.ndarray, packed: bool) -> None:
    content = gzip.compress(idx(array)) if packed else idx(array)
    np.testing.assert_array_equal(parse_idx(content, "file"), array)


@given(ARRAYS, st.data())
def test_idx_of_another_length_is_refused(array: np.ndarray, data: st.DataObject) -> None:
    content = idx(array)
    cut = data.draw(st.integers(0, len(content) - 1))
    packed = gzip.compress(content)
    for wrong in (content[:cut], content + b"x", packed[: data.draw(st.integers(0, len(packed) - 1))]):
        with pytest.raises(DataError, match="file"):
            parse_idx(wrong, "file")


@given(st.binary(max_size=64))
@example(b"\0\0\x08\x03" + b"\xff" * 12)
def test_idx_of_anything(content: bytes) -> None:
    try:
        parse_idx(content, "file")
    except DataError as error:
        assert "file" in str(error)  # noqa: PT017 - whether it raises is not what is asked


@given(st.integers(1, 5), st.sampled_from([(4, 5), (4, 5, 1), (4, 5, 3)]), st.booleans())
def test_npz_reads_back(count: int, shape: tuple[int, ...], column: bool) -> None:
    images = np.arange(count * int(np.prod(shape)), dtype=np.uint8).reshape(count, *shape)
    labels = np.arange(count)[:, None] if column else np.arange(count)
    [(part, (got, numbers))] = parse_npz(npz(x_train=images, y_train=labels), "file").items()
    assert part == "train"
    np.testing.assert_array_equal(got, images.reshape(count, 4, 5, -1))
    np.testing.assert_array_equal(numbers, np.arange(count))


@given(st.data())
def test_npz_cut_or_damaged(data: st.DataObject) -> None:
    content = bytearray(keras_npz())
    start = data.draw(st.integers(0, len(content) - 1))
    damaged = bytes(content[:start]) if data.draw(st.booleans()) else bytes(content[:start]) + b"\xff" * 40
    try:
        images, _ = parse_npz(damaged, "file")["train"]
    except DataError as error:
        assert "file" in str(error)  # noqa: PT017 - junk after the last byte that counts changes nothing
    else:
        np.testing.assert_array_equal(images, TRAIN.images)


IMAGES, LABELS = TRAIN.images[:4], np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": IMAGES}, "must hold x_train and y_train, got x_train"),
        ({"x_train": IMAGES, "y_train": LABELS[:3]}, "x_train has 4 images but y_train has 3 labels"),
        ({"x_train": IMAGES[0, 0], "y_train": LABELS}, r"x_train must be \(N, H, W\).*got \(32, 3\)"),
        ({"x_train": IMAGES * 2.0, "y_train": LABELS}, "floats from 0 to 1, got float64 from 0 to"),
        ({"x_train": IMAGES.astype(np.int64) - 300, "y_train": LABELS}, "must be uint8, .* got int64 from -300"),
        ({"x_train": IMAGES / 255 * np.nan, "y_train": LABELS}, "got float64 from nan"),
        ({"x_train": IMAGES, "y_train": np.eye(4)}, r"whole numbers, \(N,\) or \(N, 1\), got float64 \(4, 4\)"),
        ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES}, "has no y_test"),
        ({"x_train": IMAGES.astype(str), "y_train": LABELS}, "must be uint8, or floats from 0 to 1, got <U"),
        ({"x_train": IMAGES.astype("M8[s]"), "y_train": LABELS}, r"floats from 0 to 1, got datetime64\[s\]"),
        ({"x_train": np.array([{}]), "y_train": LABELS}, "allow_pickle"),
    ],
)
def test_npz_of_the_wrong_kind(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_npz(npz(**arrays), "file")


def test_npz_whose_header_claims_more_than_any_memory() -> None:
    header = io.BytesIO()
    claim = {"descr": "|u1", "fortran_order": False, "shape": (10**14, 32, 32, 3)}
    np.lib.format.write_array_header_1_0(header, claim)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())
        archive.writestr("y_train.npy", header.getvalue())
    with pytest.raises(DataError, match="file cannot be read"):
        parse_npz(stream.getvalue(), "file")


@pytest.mark.parametrize("names", [None, ["zero", "one"]])
def test_negative_labels(names: list[str] | None) -> None:
    with pytest.raises(DataError, match="labels must be 0 or more, got -1"):
        from_numbers({"all": (IMAGES, LABELS - 1)}, names)


def test_npz_bomb() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x_train.npy", "w") as file:
        for _ in range(120):
            file.write(bytes(1 << 20))
    with pytest.raises(UnsafeDataError, match="over 200 times its size, like a bomb"):
        parse_npz(stream.getvalue(), "file")


class Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("owned",)


class Objects:
    """An array of objects could hold an attack where no name is looked up."""

    def __reduce__(self) -> tuple[Any, ...]:
        return np.dtype, ("O",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Attack(), "calls __builtin__.print"),
        ({b"data": Objects()}, "an array of object"),
        ({b"data": gzip.decompress}, "calls gzip.decompress"),
    ],
)
def test_pickle_that_calls(value: object, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnsafeDataError, match=message):
        cifar.unpickle(pickle.dumps(value, protocol=2), "file")
    assert capsys.readouterr().out == ""


@given(st.integers(0, 400), st.binary(min_size=1, max_size=20))
def test_damaged_pickle(start: int, noise: bytes) -> None:
    content = cifar_batch(TRAIN, "labels")
    try:
        cifar.unpickle(content[:start] + noise, "file")
    except DataError as error:
        assert "pickle" in str(error)  # noqa: PT017 - noise may happen to be a value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol(protocol: int) -> None:
    value = {b"data": TRAIN.images, b"labels": [1, 2], b"names": [b"caf\xe9"]}
    got = cifar.unpickle(pickle.dumps(value, protocol=protocol), "file")
    np.testing.assert_array_equal(got[b"data"], TRAIN.images)
    assert got[b"names"] == [b"caf\xe9"]
