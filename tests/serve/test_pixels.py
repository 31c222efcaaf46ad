"""JSON pixels: what comes back is what was sent, whatever the form; every fault says where it is."""

import contextlib
import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from eyas.core.errors import InputError
from eyas.image import ImagePolicy, from_pixels
from eyas.serve.http.problems import Problem
from eyas.serve.reading.lists import read_lists
from eyas.serve.reading.pixels import JsonReader

GREY = ImagePolicy(5, 7, 1)
RGB = ImagePolicy(5, 7, 3)


def read(body: Any, policy: ImagePolicy = GREY, most: int = 16) -> np.ndarray:
    return JsonReader(policy, most).read(body if isinstance(body, bytes) else json.dumps(body).encode())


def images(policy: ImagePolicy) -> st.SearchStrategy[np.ndarray]:
    return st.integers(1, 4).flatmap(lambda n: arrays(np.uint8, (n, *policy.shape)))


@given(images(GREY), st.sampled_from([1, 255]))
def test_grey_images_come_back_from_every_form(sent: np.ndarray, top: int) -> None:
    values = sent / 255 if top == 1 else sent.astype(float)
    n = len(sent)
    for form in (values, values[..., 0], values.reshape(n, -1)):
        np.testing.assert_array_equal(read({"data": form.tolist(), "range": top}), sent)
    for form in (values[0], values[0, ..., 0], values[0].ravel()):
        np.testing.assert_array_equal(read({"data": form.tolist(), "range": top}), sent[:1])


@given(images(RGB), st.sampled_from([1, 255]))
def test_colour_images_come_back_from_every_form(sent: np.ndarray, top: int) -> None:
    values = sent / 255 if top == 1 else sent.astype(int)
    for form in (values, values.reshape(len(sent), -1)):
        np.testing.assert_array_equal(read({"data": form.tolist(), "range": top}, RGB), sent)
    for form in (values[0], values[0].ravel()):
        np.testing.assert_array_equal(read({"data": form.tolist(), "range": top}, RGB), sent[:1])


@given(arrays(np.uint8, (1, 5, 7, 3)))
def test_float32_pixels_come_back(sent: np.ndarray) -> None:
    np.testing.assert_array_equal(read({"data": (sent.astype(np.float32) / 255).tolist()}, RGB), sent)


@pytest.mark.parametrize(
    ("shape", "policy", "meaning"),
    [
        ((16, 16), ImagePolicy(16, 16, 1), (1, 16, 16, 1)),  # not 16 flat images of 4 × 4
        ((64, 64), ImagePolicy(64, 64, 1), (1, 64, 64, 1)),  # not 64 flat images of 8 × 8
        ((64, 64), ImagePolicy(8, 8, 1), (64, 8, 8, 1)),  # flat, at the model's size
        ((2, 100), ImagePolicy(8, 8, 1), (2, 10, 10, 1)),  # flat, 10 × 10
        ((3, 3, 3), ImagePolicy(3, 3, 1), (3, 3, 3, 1)),  # grey images of the model's size, not one RGB image
        ((4, 4, 3), ImagePolicy(3, 3, 1), (1, 4, 4, 3)),  # one RGB image, not four grey ones of 4 × 3
        ((4, 4, 1), ImagePolicy(8, 8, 1), (1, 4, 4, 1)),
        ((2, 9, 6), ImagePolicy(8, 8, 1), (2, 9, 6, 1)),
        ((3, 3, 3), ImagePolicy(3, 3, 3), (1, 3, 3, 3)),
        ((12, 12), ImagePolicy(12, 12, 3), (1, 12, 12, 1)),  # a grey image for a colour model
        ((1, 300), ImagePolicy(12, 12, 3), (1, 10, 10, 3)),
        ((2, 4, 6, 1), ImagePolicy(12, 12, 3), (2, 4, 6, 1)),
        ((2, 4, 6, 3), ImagePolicy(12, 12, 1), (2, 4, 6, 3)),
    ],
)
def test_the_first_rule_that_fits_decides(
    shape: tuple[int, ...], policy: ImagePolicy, meaning: tuple[int, ...]
) -> None:
    sent = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = np.stack([from_pixels(image, policy) for image in sent.reshape(meaning)])
    np.testing.assert_array_equal(read({"data": sent.tolist(), "range": 255}, policy, most=64), expected)


ROW = [0.5] * 35


@pytest.mark.parametrize(
    ("body", "pointer", "message"),
    [
        ({"data": [[*ROW[:17], 3.2, *ROW[18:]]]}, "/data/0/17", '/data/0/17 must be in [0, 1], got 3.2; send "range"'),
        ({"data": [[*ROW[:17], -1, *ROW[18:]]]}, "/data/0/17", "/data/0/17 must be in [0, 1], got -1"),
        ({"data": [300, *ROW[1:]], "range": 255}, "/data/0", "/data/0 must be in [0, 255], got 300"),
        (b'{"data": [0.5, 1e400]}', "/data/1", "/data/1 must be in [0, 1], got Infinity"),
        (b'{"data": [0.5, ' + b"9" * 5000 + b"]}", "/data/1", "/data/1 must be in [0, 1]"),
        ({"data": [ROW, [*ROW[:3], None, *ROW[4:]]]}, "/data/1/3", "/data/1/3 must be a number, got null"),
        ({"data": [True, *ROW[1:]]}, "/data/0", "/data/0 must be a number, got true"),
        ({"data": ["0.5", *ROW[1:]]}, "/data/0", "/data/0 must be a number, got a string, '0.5'"),
        ({"data": [0.5, [0.5]]}, "/data/1", "/data/1 must be a number, got a list"),
        ({"data": [ROW, 0.5]}, "/data/1", "/data/1 must be a list, as its neighbours are, got a number"),
        ({"data": [ROW, ROW[1:]]}, "/data/1", "/data/1 must hold 35 values, as those before it do, got 34"),
        ({"data": [[[[0.5], [0.5]], [[0.5]]]]}, "/data/0/1", "/data/0/1 must hold 2 values"),
        (b'{"data": [0.5, NaN]}', "/data/1", "/data/1 must be in [0, 1], got NaN"),
        (b'{"data": [[0.5, -Infinity]], "range": 255}', "/data/0/1", "/data/0/1 must be in [0, 255], got -Infinity"),
        ({"data": []}, "/data", "/data must not be empty"),
        ({"data": [[], []]}, "/data/0", "/data/0 must not be empty"),
        ({"data": [[[[[0.5]]]]]}, "/data", "/data must be nested at most 4 lists deep, got 5"),
        ({"data": ROW[1:]}, "/data", "/data must hold 35 values (5 × 7 × 1), or s × s × 1"),
        ({"data": [ROW[1:]]}, "/data/0", "/data/0 must hold 35 values (5 × 7 × 1), or s × s × 1"),
        ({"data": [ROW] * 17}, "/data", "/data must hold at most 16 images, got 17"),
        ({"data": 0.5}, "/data", "/data must be a list of numbers, got a number"),
        ({"data": "x"}, "/data", "/data must be a list of numbers, got a string"),
        ({"data": None}, "/data", "/data must be a list of numbers, got null"),
        ({"data": ROW, "range": 100}, "/range", "/range must be 1 or 255, got 100"),
        ({"data": ROW, "range": True}, "/range", "/range must be 1 or 255, got true"),
        (b'{"data": [0.5], "range": 1e999}', "/range", "/range must be 1 or 255, got 1e999"),
        ({"dta": ROW}, "/dta", "unknown key dta: did you mean data?"),
        ({"instances": ROW}, "/instances", "unknown key instances: did you mean data?"),
        ({"data": ROW, "a/b~": 1}, "/a~1b~0", "unknown key a/b~; known keys: data, range"),
        ({"k" * 10**6: ROW}, "/" + "k" * 40, f"unknown key {'k' * 40}; known keys"),
        (b'{"data": ' + b'{"a": 1}, ' * 10_001 + b"}", "", "of numbers in lists, got 10,002 colons"),
        (b'{"data": [' + b"[], " * 2_100_000 + b"[]]}", "/data", "/data must be lists of numbers, as deep"),
        ({}, "/data", "data is missing"),
        ([ROW], "", 'the body must be an object {"data": …}, got a list'),
        (b" 3", "", "got a number"),
    ],
)  # fmt: skip
def test_a_fault_says_where_it_is(body: Any, pointer: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(body)
    assert caught.value.pointer == pointer
    assert message in str(caught.value)


def test_the_range_may_be_written_as_a_float() -> None:
    np.testing.assert_array_equal(read({"data": ROW, "range": 1.0}), np.full((1, 5, 7, 1), 128))
    np.testing.assert_array_equal(read({"data": ROW, "range": 255.0}), np.zeros((1, 5, 7, 1)))


def test_channels_first_is_refused_with_a_hint() -> None:
    for shape in ((3, 5, 7), (2, 3, 5, 7)):
        with pytest.raises(InputError, match="channels come last: transpose it"):
            read({"data": np.zeros(shape).tolist()}, RGB)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"data": [0.5,]}', b'{"data": [0.5]', b"\xff", b'{"a": NaN}', b"nul", b'\xef\xbb\xbf{"data": [0.5]}'],
)
def test_what_is_not_json_is_a_malformed_request(body: bytes) -> None:
    with pytest.raises(Problem, match="not valid JSON") as caught:
        read(body)
    assert caught.value.status == 400


@pytest.mark.parametrize("opening", [b'{"data": ', b'{"data": [1, ', b'{"data": [[1], ', b'{"range": ', b""])
@pytest.mark.parametrize("depth", [10, 900, 100_000])
def test_deep_nesting_is_refused(opening: bytes, depth: int) -> None:
    with pytest.raises((InputError, Problem)):
        read(opening + b"[" * depth + b"]" * depth + b"]" * opening.count(b"[") + b"}")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(10**30), 10**30) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["data", "range", "x"]), inner),
)


@given(
    st.binary(max_size=40)
    | JSON.map(lambda v: json.dumps({"data": v}).encode())
    | JSON.map(lambda v: json.dumps(v).encode())
)
def test_any_body_is_images_or_a_told_fault(body: bytes) -> None:
    try:
        made = read(body)
    except (InputError, Problem):
        return
    assert made.dtype == np.uint8
    assert made.shape[1:] == GREY.shape


@pytest.mark.parametrize("text", ["[]", "[1]", "[[1]]", "[1,2,3]", "1", "null", "{}", "[" * 500 + "]" * 500])
def test_no_data_costs_many_times_its_size(text: str) -> None:
    costs_little(f'{{"data": [{text}{f",{text}" * (7_000_000 // (len(text) + 1))}]}}'.encode())


def test_no_number_of_keys_costs_many_times_its_size() -> None:
    costs_little(json.dumps(dict.fromkeys(map(str, range(300_000)), 1)).encode())


def test_a_fault_is_named_without_writing_its_value_out() -> None:
    costs_little(b'{"data": [0.5, [' + b"1," * 300_000 + b"1]]}", most=8)


def costs_little(body: bytes, most: int = 10) -> None:
    tracemalloc.start()
    try:
        with contextlib.suppress(InputError, Problem):
            read(body)
        assert tracemalloc.get_traced_memory()[1] < most * len(body)
    finally:
        tracemalloc.stop()


@given(
    JSON.filter(lambda value: isinstance(value, list))
    | arrays(np.float64, array_shapes(max_dims=5)).map(np.ndarray.tolist)
)
def test_lists_are_read_as_numpy_reads_them(value: Any) -> None:
    text = json.dumps(value)
    leaves = set(map(type, flattened(value)))
    try:
        expected = np.array(value, dtype=np.float64)
        regular = leaves <= {int, float} and expected.size > 0 and expected.ndim <= 4
    except (ValueError, TypeError, OverflowError):
        regular = False
    if not regular or not np.all((expected >= 0) & (expected <= 255)):
        with pytest.raises(InputError):
            read_lists(text.encode(), 255)
    else:
        np.testing.assert_array_equal(read_lists(text.encode(), 255), expected)


def flattened(value: Any) -> list[Any]:
    return [leaf for inner in value for leaf in flattened(inner)] if isinstance(value, list) else [value]


def test_lists_of_several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eyas.serve.reading.lists.PIECE", 5)
    sent = np.random.default_rng(0).random((3, 4, 5, 3))
    np.testing.assert_array_equal(read_lists(json.dumps(sent.tolist()).encode(), 1), sent)
    with pytest.raises(InputError, match="/data/2/3 must be a number, got null"):
        read_lists(b"[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, null]]", 1)
