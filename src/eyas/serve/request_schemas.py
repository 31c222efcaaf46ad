"""JSON Schemas of what the service takes, for its OpenAPI document.

They accept whatever the service accepts. JSON Schema cannot say that lists are as long as each other and fit the model:
their descriptions do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
FILE: Schema = {
    "type": "string",
    "minLength": 1,
    "contentEncoding": "base64",
    "contentMediaType": "image/*",
    "description": "An image file.",
}
FORM: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "string", "contentMediaType": "application/octet-stream"},
    "description": "One or several parts, each an image file with a file name, under any name.",
}
RANGES = (1, 255)
"""Values that may stand for white."""


def pixels(top: int, depth: int, number: str = "number") -> Schema:
    """Lists of numbers in [0, `top`], nested 1 to `depth` deep.

    Args:
        number: their type, `number` or `integer`.
    """
    numbers = {"type": number, "minimum": 0, "maximum": top}
    if depth == 1:
        return {"type": "array", "minItems": 1, "items": numbers}
    return {"type": "array", "minItems": 1, "anyOf": [{"items": numbers}, {"items": pixels(top, depth - 1, number)}]}


def instances(top: int) -> Schema:
    """A list of images, all in one of the forms that `eyas.serve.protocols.instances` takes; pixels in [0, `top`]."""
    columns = {"additionalProperties": {"type": "number", "minimum": 0, "maximum": top}}
    named = {"maxProperties": 1, "additionalProperties": {"anyOf": [pixels(top, 3), FILE, coded()]}}
    records = {"type": "object", "minProperties": 1, "anyOf": [columns, named]}
    one_file = {"type": "array", "minItems": 1, "maxItems": 1, "items": FILE}
    return {
        "type": "array",
        "minItems": 1,
        "description": "Images, all in one form: pixels in lists, columns of pixels, or image files in base64.",
        "anyOf": [{"items": one} for one in (pixels(top, 3), FILE, one_file, records)],
    }


def coded() -> Schema:
    """`{"b64": "…"}`."""
    return {"type": "object", "properties": {"b64": FILE}, "required": ["b64"], "additionalProperties": False}


def by_range(taken: Callable[[int], Schema], within: str = "") -> Schema:
    """An object whose `range` says which value stands for white: 1 where it is left out, or 255.

    Args:
        taken: its `properties` and what else is known of it, for one such value.
        within: the member that `range` is in; empty: it is in the object itself.
    """
    return {"anyOf": [_with_range(taken(top), top, within) for top in RANGES]}


def _with_range(taken: Schema, top: int, within: str) -> Schema:
    member: Schema = {"const": top, "description": "The value that stands for white: 255 for bytes."}
    if within:
        member = {"type": "object", "properties": {"range": member}, "additionalProperties": False}
        if top != 1:
            member["required"] = ["range"]
    name = within or "range"
    required = [*taken.get("required", ()), *([name] if top != 1 else ())]
    made = {"type": "object", **taken, "properties": taken["properties"] | {name: member}, "required": required}
    return made | {"additionalProperties": False}
