"""What is right in a request comes back as it was sent, anything else is a told fault. `make fuzz` tries more."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from eyas.core.errors import InputError, UnsafeDataError
from eyas.core.schema import ServeConfig
from eyas.image import ImagePolicy
from eyas.infer.session import OUTPUTS
from eyas.serve.http import Problem
from eyas.serve.http.content import Content
from eyas.serve.http.incoming import Incoming
from eyas.serve.http.request import Head
from eyas.serve.protocols import oip
from eyas.serve.protocols.instances import Instances, open_csv, open_mlflow, open_vertex
from eyas.serve.reading import BodyReader
from eyas.serve.reading.forms import read_form

POLICY = ImagePolicy(4, 3, 1)
READER = BodyReader(POLICY, ServeConfig(max_images=8))
FAULTS = (InputError, UnsafeDataError, Problem)
TYPE = "multipart/form-data; boundary=edge"


def png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(4, 3)).save(stream, "PNG")
    return stream.getvalue()


# Forms

NAMES = st.text(st.characters(codec="latin-1", exclude_categories=["C"], exclude_characters='"\\;'), max_size=9)
FORM_PIECES = st.sampled_from(
    [
        b"--edge",
        b"--edge--",
        b"--",
        b"\r\n",
        b"\n",
        b"\r",
        b": ",
        b";",
        b'Content-Disposition: form-data; name="a"; filename="b"',
        b"Content-Disposition: form-data; name=a; filename",
        b"content-disposition: ;filename*=utf-8''%ff; filename=\"",
        b"Content-Type: image/png",
        b"X-\xff: \x80",
    ]
)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=60)), min_size=1, max_size=5))
def test_the_files_of_a_form_come_back(parts: list[tuple[str, bytes]]) -> None:
    head = 'Content-Disposition: form-data; name="{0}"; filename="{0}"\r\n\r\n'
    pieces = [b"--edge\r\n" + head.format(name).encode("latin-1") + content + b"\r\n" for name, content in parts]
    found = read_form(b"".join(pieces) + b"--edge--\r\n", TYPE, 5)
    assert [content for _, content in found] == [content for _, content in parts]


@given(st.lists(FORM_PIECES | st.binary(max_size=6), max_size=25).map(b"".join), st.just(TYPE) | st.text(max_size=30))
@example(b"x", "multipart/form-data; boundary=" + "y" * 300)
def test_any_form_is_files_or_a_told_fault(body: bytes, content_type: str) -> None:
    try:
        found = read_form(body, content_type.encode("latin-1", "replace").decode("latin-1"), 3)
    except FAULTS:
        return
    assert 1 <= len(found) <= 3


# Tensors

TENSORS = hnp.arrays(np.uint8, st.integers(1, 8).map(lambda count: (count, *POLICY.shape)))
FLOATS = hnp.arrays(np.float32, (2, *POLICY.shape), elements=st.floats(width=32))


def inferred(header: Any, tail: bytes) -> np.ndarray:
    text = json.dumps(header).encode()
    body = text + tail
    size = oip.json_size(body, str(len(text)) if tail else "")
    return oip.parse(body, size, POLICY, OUTPUTS, 8).images(POLICY)


def tensor(values: np.ndarray, datatype: str, **parameters: int) -> dict[str, Any]:
    one = {"name": "images", "shape": list(values.shape), "datatype": datatype, "parameters": parameters}
    return {"inputs": [one]}


@given(TENSORS, st.booleans())
def test_binary_tensors_come_back(sent: np.ndarray, floats: bool) -> None:
    values, datatype = ((sent / np.float32(255)), "FP32") if floats else (sent, "UINT8")
    content = values.astype("<f4" if floats else np.uint8).tobytes()
    found = inferred(tensor(sent, datatype, binary_data_size=len(content)), content)
    np.testing.assert_array_equal(found, sent)


@given(FLOATS)
def test_floats_of_a_tensor_are_shares_or_a_told_fault(values: np.ndarray) -> None:
    header = tensor(values, "FP32", binary_data_size=values.nbytes)
    if ((values >= 0) & (values <= 1)).all():
        np.testing.assert_allclose(inferred(header, values.tobytes()) / 255, values, atol=0.5 / 255 + 1e-6)
    else:
        with pytest.raises(InputError, match=r"must be in \[0, 1\]"):
            inferred(header, values.tobytes())


LEAVES = st.none() | st.booleans() | st.floats() | st.integers(-(10**20), 10**20) | st.text(max_size=4)
KEYS = st.sampled_from(
    ["inputs", "outputs", "name", "shape", "datatype", "parameters", "binary_data_size", "data", "id", "classification"]
)
WORDS = st.sampled_from(["images", "UINT8", "FP32", "logits", "BYTES", 12, [1, 4, 3, 1], [0, 4, 3, 1], -1])
HEADERS = st.recursive(LEAVES | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner))


@given(HEADERS, HEADERS, st.binary(max_size=14))
def test_any_tensor_is_images_or_a_told_fault(whole: Any, part: Any, tail: bytes) -> None:
    one = {"name": "images", "shape": [1, 4, 3, 1], "datatype": "UINT8", "parameters": {"binary_data_size": 12}}
    mended = one | part if isinstance(part, dict) else part
    for header in (whole, {"inputs": [mended]}, {"inputs": [one], "outputs": part}):
        try:
            found = inferred(header, tail)
        except FAULTS:
            continue
        assert (found.dtype, found.shape[1:]) == (np.uint8, POLICY.shape)


# Instances

FILE = png()
OF_INSTANCES = [
    "instances",
    "inputs",
    "dataframe_split",
    "dataframe_records",
    "params",
    "range",
    "data",
    "b64",
    "image",
]
INSTANCES = st.recursive(
    LEAVES | st.sampled_from([255, 0.5, "", "iVBORw0KGgo=", [[0.5] * 12]]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(OF_INSTANCES), inner, max_size=3),
)


@pytest.mark.parametrize("opened", [open_mlflow, open_vertex, open_csv])
@given(
    body=st.binary(max_size=40)
    | INSTANCES.map(lambda one: json.dumps(one).encode())
    | INSTANCES.map(lambda one: json.dumps({"instances": one}).encode())
    | st.text('0123456789.,eE+-\r\n"[]{}ab \t\x0b\u2028', max_size=60).map(str.encode)
)
def test_any_instances_are_images_or_a_told_fault(opened: Callable[[bytes], Instances], body: bytes) -> None:
    try:
        found = opened(body).images(READER)
    except FAULTS:
        return
    assert (found.dtype, found.shape[1:]) == (np.uint8, POLICY.shape)


# Files


@given(st.binary(max_size=60), st.integers(0, len(FILE)), st.integers(0, len(FILE)))
def test_any_file_is_an_image_or_a_told_fault(noise: bytes, start: int, end: int) -> None:
    for content in (noise, FILE[:start], FILE[:start] + noise + FILE[end:]):
        try:
            reading = READER.file(content)
            found = reading.decode()
        except FAULTS:
            continue
        assert (found.dtype, found.shape) == (np.uint8, (1, *POLICY.shape))


# Heads

TOKENS = st.sampled_from(
    [
        b"GET ",
        b"POST ",
        b"/predict",
        b"/%ff%2f?a=1",
        b"http://x:1/y",
        b"*",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"Host: a",
        b"Content-Length: 3",
        b"content-length: 0003",
        b"Transfer-Encoding: chunked",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"Connection: upgrade",
        b"Upgrade: websocket",
        b"Connection: close",
        b"X-Forwarded-For: 1.2.3.4",
        b"Expect: 100-continue",
        b"abc",
        b"\0",
    ]
)
Taken = list[tuple[Head, Content]]


def taken(pieces: list[bytes]) -> tuple[list[tuple[Any, ...]], str]:
    """The requests, each with what came of its body, and how it ended."""
    found: Taken = []

    def begun(head: Head, *, stays: bool, modern: bool) -> Content:
        found.append((head, Content()))
        return found[-1][1]

    incoming, fault = Incoming(begun), ""
    try:
        for piece in pieces:
            incoming.feed(piece)
    except Problem as problem:
        fault = str(problem)
    incoming.stop()
    requests = [
        (head.method, head.path, head.query, head.headers, b"".join(body._pieces), body.complete, body.lost)
        for head, body in found
    ]
    return requests, fault


HEAD_NAMES = st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True).filter(
    lambda name: name.lower() not in (b"connection", b"upgrade", b"host", b"expect", b"te")
)
VALUES = st.from_regex(rb"[!-~\xa1-\xff]([ -~\xa1-\xff]{0,9}[!-~\xa1-\xff])?", fullmatch=True)


@given(
    st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE"]),
    st.from_regex(rb"/[a-z0-9/._-]{0,12}", fullmatch=True),
    st.dictionaries(HEAD_NAMES, VALUES, max_size=4),
    st.binary(max_size=30),
)
def test_a_request_comes_as_it_was_sent(method: bytes, path: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
    lines = [b"%s %s HTTP/1.1" % (method, path), b"Host: a", b"Content-Length: %d" % len(body)]
    lines += [b"%s: %s" % one for one in headers.items()]
    ((got_method, got_path, _, got_headers, got_body, complete, _),), fault = taken(
        [b"\r\n".join(lines) + b"\r\n\r\n" + body]
    )
    assert (fault, got_method, got_path) == ("", method.decode(), path.decode())
    assert got_headers.items() >= {name.lower(): value for name, value in headers.items()}.items()
    assert (got_body, complete) == (body, True)


@given(st.lists(TOKENS | st.binary(max_size=3), max_size=25).map(b"".join), st.data())
def test_the_same_bytes_are_the_same_requests_however_they_are_cut(sent: bytes, data: st.DataObject) -> None:
    whole = taken([sent])
    cuts = sorted(data.draw(st.sets(st.integers(0, len(sent)), max_size=6)))
    ends = [0, *cuts, len(sent)]
    assert taken([sent[start:end] for start, end in pairwise(ends)]) == whole
