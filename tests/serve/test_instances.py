"""How the bodies of MLflow, SageMaker and Vertex AI become images."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eyas.bundle import Bundle
from eyas.core.errors import InputError
from eyas.core.schema import ServeConfig
from eyas.image import ImagePolicy
from eyas.serve.http import Problem
from eyas.serve.protocols.instances import open_csv, open_mlflow, open_vertex
from eyas.serve.reading import BodyReader

READER = BodyReader(ImagePolicy(8, 8, 1), ServeConfig(max_images=8))


def read(body: dict[str, Any], reader: BodyReader = READER) -> np.ndarray:
    return open_mlflow(json.dumps(body).encode()).images(reader)


def coded(image: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def test_every_form_is_the_same_images(grey: Bundle) -> None:
    images = grey.golden().images[:3]
    flat = (images / 255).reshape(3, -1).tolist()
    names = [f"p{n}" for n in range(64)]
    files = [coded(image) for image in images]
    forms: list[dict[str, Any]] = [
        {"instances": flat},
        {"instances": (images[..., 0] / 255).tolist()},
        {"instances": images.tolist(), "params": {"range": 255}},
        {"instances": [{"image": row} for row in (images[..., 0] / 255).tolist()]},
        {"instances": files},
        {"instances": [{"b64": file} for file in files]},
        {"instances": [{"image_bytes": {"b64": file}} for file in files]},
        {"inputs": flat},
        {"inputs": {"images": flat}},
        {"dataframe_split": {"index": [0, 1, 2], "columns": names, "data": flat}},
        {"dataframe_split": {"columns": ["image"], "data": [[file] for file in files]}},
        {"dataframe_records": [dict(zip(names, row, strict=True)) for row in flat]},
        {"dataframe_records": [{"image": file} for file in files]},
    ]
    for form in forms:
        np.testing.assert_array_equal(read(form), images, str(form)[:60])
    lines = [",".join(map(str, row)) for row in flat]
    for csv in ([",".join(names), *lines], lines, [*lines, ""]):
        np.testing.assert_array_equal(open_csv("\r\n".join(csv).encode()).images(READER), images)


def test_three_axes_are_grey_images_whatever_their_width() -> None:
    """`/predict` takes (h, w, 3) for one image of colours; here the first axis is that of the instances."""
    pixels = np.linspace(0, 1, 2 * 9 * 3).reshape(2, 9, 3)
    assert read({"instances": pixels.tolist()}).shape == (2, 8, 8, 1)


FLAT = [0.5] * 64
FAULTS: list[tuple[Any, str]] = [
    ({}, "must have one of instances, inputs, dataframe_split, dataframe_records, got none of them"),
    ({"instances": [FLAT], "inputs": [FLAT]}, "got instances, inputs"),
    ({"data": [FLAT]}, "unknown field `data`"),
    ({"instances": [FLAT], "params": {"range": 100}}, "/params/range must be 1 or 255, got 100"),
    ({"instances": [FLAT], "params": {"rnage": 1}}, "unknown field `rnage`"),
    ({"instances": FLAT}, "/instances must hold images, each a list of pixels, got numbers"),
    ({"instances": []}, "/instances must not be empty"),
    ({"instances": [[0.5] * 63]}, "/instances/0 must hold 64 values"),
    ({"instances": [FLAT, [0.5]]}, "/instances/1 must hold 64 values, as those before it do, got 1"),
    ({"instances": [[*FLAT[:-1], 7]]}, '/instances/0/63 must be in [0, 1], got 7; send "params": {"range": 255}'),
    ({"instances": [FLAT] * 9}, "/instances must hold at most 8 images, got 9"),
    ({"instances": [[[[0.5, 0.5]]]]}, "/instances must end in 1 or 3 channels"),
    ({"instances": ["%"]}, "/instances/0 must be an image file in base64"),
    ({"instances": ["aGVsbG8="]}, "/instances/0: not an image in a known format"),
    ({"instances": ["aGVsbG8="] * 9}, "at most 8 images, got 9"),
    ({"instances": [{"b64": "a"}, {"c": "a"}]}, "/instances/1 must have the columns of the first"),
    ({"instances": [{}]}, "/instances/0 must have the columns of the first, in its order, and at least one"),
    ({"instances": [{"a": {"b65": "x"}}]}, "/instances/0/a"),
    ({"instances": ["a", 1]}, "/instances"),
    ({"instances": "a"}, "/instances must be a list of numbers, got a string"),
    ({"inputs": {"a": [FLAT], "b": [FLAT]}}, "/inputs must hold one tensor, got 2"),
    ({"dataframe_split": {"columns": []}}, "missing required field `data`"),
    ({"dataframe_split": {"data": [["a", "b"]]}}, "/dataframe_split/data"),
]


@pytest.mark.parametrize(("body", "says"), FAULTS, ids=[says for _, says in FAULTS])
def test_a_fault_is_named(body: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read(body)
    assert says in str(caught.value)


def test_what_is_no_json_and_no_csv() -> None:
    with pytest.raises(Problem, match="not valid JSON") as caught:
        open_mlflow(b"{")
    assert caught.value.status == 400
    with pytest.raises(InputError, match="at least one row"):
        open_csv(b"a,b,c\n")
    with pytest.raises(InputError, match=r"/rows/0/1 must be a number"):
        open_csv(b"0.5,,0.5").images(READER)
    with pytest.raises(InputError, match="unknown field `params`"):
        open_vertex(b'{"instances": [], "params": {}}')
    with pytest.raises(InputError, match="missing required field `instances`"):
        open_vertex(b"{}")


def test_files_of_one_request_share_the_pixels() -> None:
    small = BodyReader(READER.policy, ServeConfig(max_pixels=100))
    files = [coded(np.zeros((8, 8), np.uint8))] * 2
    assert len(read({"instances": files[:1]}, small)) == 1
    with pytest.raises(Exception, match=r"/instances/1: .* of 100 for the whole request"):
        read({"instances": files}, small)


def test_records_are_counted_before_they_are_made() -> None:
    body = b'{"instances":[{' + b",".join(b'"a":1' for _ in range(500_001)) + b"}]}"
    with pytest.raises(InputError, match="at most 500,000 named values, got 500,001"):
        open_mlflow(body).images(READER)
