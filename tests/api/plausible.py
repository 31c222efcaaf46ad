"""Hooks of Schemathesis: what JSON Schema cannot say of values is put right in requests that are to be good.

Lists of pixels are made as long as an image of 8 × 8 × 1 has them, with the first number that was drawn, and texts that
are to be image files become one. How they are nested, how many there are and all the rest stay as they were drawn;
requests that are to be bad are left alone.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies
from schemathesis import Case, DeserializationContext, GenerationMode, HookContext, Response, SerializationContext
from urllib3 import encode_multipart_formdata

SIDE = 8
MOST = 4  # images in a tensor
CLASSES = 10
FILE = (Path(__file__).parents[2] / "docs" / "seven.png").read_bytes()
CODED = base64.b64encode(FILE).decode()
LINES, FORM, JSON, OCTETS = (
    "application/x-ndjson",
    "multipart/form-data",
    "application/json",
    "application/octet-stream",
)
BOUNDARY = "boundary"
HEADER = "Inference-Header-Content-Length"

schemathesis.openapi.media_type("image/png", strategies.just(FILE), aliases=["image/*", OCTETS])
schemathesis.openapi.media_type("text/csv", strategies.just(b",".join([b"0.5"] * SIDE * SIDE)))


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    if case.media_type == FORM:
        case.headers.setdefault("Content-Type", f"{FORM}; boundary={BOUNDARY}")
    if not _good(case):
        return
    case.headers.pop(HEADER, None)
    if case.operation.path.endswith("/infer") and case.media_type == OCTETS:
        case.body, case.headers[HEADER] = _binary()
    elif case.media_type == JSON and isinstance(case.body, dict):
        body = json.loads(json.dumps(case.body), parse_float=_written)
        case.body = {name: _member(name, value) for name, value in body.items()}


@schemathesis.serializer(LINES)
def to_lines(context: SerializationContext, value: Any) -> bytes:
    """What is no list has no lines."""
    values = value if isinstance(value, list) else []
    return "\n".join(map(json.dumps, values)).encode() or b"\n"


@schemathesis.deserializer(LINES)
def from_lines(context: DeserializationContext, response: Response) -> Any:
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.serializer(FORM)
def to_form(context: SerializationContext, value: Any) -> bytes:
    """Each part as a file."""
    parts = value.items() if isinstance(value, dict) else ()
    good = _good(context.case)
    files = [(name, ("image", FILE if good else str(part).encode())) for name, part in parts]
    return encode_multipart_formdata(files, BOUNDARY)[0]


def _written(digits: str) -> float:
    """2.0 is an integer to JSON Schema, and none to the service: it must be written 2."""
    number = float(digits)
    return int(number) if number.is_integer() else number


def _good(case: Case) -> bool:
    return case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE


def _member(name: str, value: Any) -> Any:
    """Of a body in any of the protocols, or of a rollout's plan."""
    match name, value:
        case "data", list():
            return _image(1, _first(value)) if _depth(value) == 1 else _images(value)
        case "inputs", [{"datatype": _}, *_]:
            return [_tensor(one) for one in value]
        case "inputs", dict():
            return {key: _images(inner) for key, inner in value.items()}
        case (("instances" | "inputs" | "dataframe_records"), list()):
            return _images(value)
        case "dataframe_split", dict():
            return value | {"data": _images(value["data"])}
        case "label", str():
            return "three"  # which classes there are is the models' affair
        case "label", int():
            return value % CLASSES
        case "feedback", list():
            return [{key: _member(key, inner) for key, inner in one.items()} for one in value]
        case "stages", list():
            return [0.1, 0.5]  # shares that rise
        case "windows", list():
            return [one | {"short_seconds": 1, "long_seconds": 2} for one in value]
        case "outputs", list():
            return [*{one["name"]: one for one in value}.values()]
    return value


def _images(values: list[Any]) -> list[Any]:
    """As many as there were, all in the form of the first."""
    return [_one(values[0])] * len(values)


def _one(value: Any) -> Any:
    if isinstance(value, str):
        return CODED
    if isinstance(value, list):
        return _image(depth, _first(value)) if (depth := _depth(value)) else [CODED]
    if isinstance(first := next(iter(value.values())), int | float):
        return {f"p{n}": first for n in range(SIDE * SIDE)}
    return {name: _one(inner) for name, inner in value.items()}


def _tensor(one: dict[str, Any]) -> dict[str, Any]:
    count, number = min(int(one["shape"][0]), MOST), _first(one["data"])
    data = [number] * (count * SIDE * SIDE) if _depth(one["data"]) < 4 else [_image(3, number)] * count
    return one | {"shape": [count, SIDE, SIDE, 1], "data": data}


def _binary() -> tuple[bytes, str]:
    """A tensor behind its JSON, and how long that is."""
    size = {"binary_data_size": SIDE * SIDE}
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, SIDE, SIDE, 1], "parameters": size}
    text = json.dumps({"inputs": [tensor]}).encode()
    return text + bytes(SIDE * SIDE), str(len(text))


def _image(depth: int, number: float) -> list[Any]:
    """(64,), (8, 8) or (8, 8, 1)."""
    pixel: Any = number if depth < 3 else [number]
    return [pixel] * (SIDE * SIDE) if depth == 1 else [[pixel] * SIDE] * SIDE


def _depth(value: Any) -> int:
    """Of lists of numbers; 0: of something else."""
    if not isinstance(value, list):
        return 0
    if isinstance(value[0], int | float):
        return 1
    inner = _depth(value[0])
    return inner + 1 if inner else 0


def _first(value: Any) -> float:
    while isinstance(value, list):
        value = value[0]
    return value
