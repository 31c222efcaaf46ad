"""JSON pixels → (N, H, W, C) uint8: how `{"data": …}` is read, and how its faults are told.

The model takes images of H × W pixels and C channels. `data` is nested lists of numbers, in [0, 1], or in
[0, 255] with `"range": 255`. Its depth, and then the FIRST rule that fits, say what it is:

depth  shape                   is
1      (L,)                    one flat image
2      (H, W)                  one grey image of the model's size
2      (n, L)                  n flat images
3      (n, H, W), C = 1        n grey images of the model's size
3      (h, w, 1) or (h, w, 3)  one image of any size
3      (n, h, w), C = 1        n grey images of any size
4      (n, h, w, 1) or 3       n images of any size

A flat image has L = H·W·C values, or else L = s·s·C for a whole side s ≥ 8: shorter ones are taken for mistakes.
Images of another size or number of channels go through `eyas.image.from_pixels`, as files do. A pixel x in
[0, 1] becomes rint(255·x), so that bytes divided by 255 come back as they were.
"""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import InputError
from eyas.image import ImagePolicy, from_pixels
from eyas.serve.http.problems import Problem
from eyas.serve.reading.faults import find_fault, kind, searchable
from eyas.serve.reading.json_text import decode
from eyas.serve.reading.lists import read_lists
from eyas.serve.request_schemas import RANGES

KEYS = ("data", "range")
SYNONYMS = {"instances": "data", "inputs": "data", "image": "data", "images": "data", "pixels": "data", "x": "data"}
MIN_FLAT_SIDE = 8
MAX_MEMBERS = 10_000  # of all objects: two are enough, and a colon costs a hundred times its size
MAX_KEY = 40  # characters of an unknown key that are looked at and told back

_number = msgspec.json.Decoder(float)
_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class JsonReader:
    """Reads JSON bodies for one model."""

    policy: ImagePolicy
    max_images: int

    def read(self, body: bytes) -> NDArray[np.uint8]:
        """The images in a JSON body.

        Returns:
            (N, H, W, C) uint8 by `policy`, N ≥ 1.

        Raises:
            Problem: 400, the body is no JSON.
            InputError: a value breaks its rule; `pointer` says where.
        """
        data, top = _open(body)
        images = _split(read_lists(data, top), self.policy)
        if len(images) > self.max_images:
            raise InputError(f"/data must hold at most {self.max_images} images, got {len(images)}", "/data")
        return scaled(images, top, self.policy)


def scaled(images: NDArray[Any], top: int, policy: ImagePolicy) -> NDArray[np.uint8]:
    """Pixels as the network takes them.

    Args:
        images: (N, h, w, c) in [0, top], c = 1 or 3; overwritten. Of bytes, they are as they should be.

    Returns:
        (N, H, W, C) uint8.
    """
    whole = images if images.dtype == np.uint8 else _whole(images, top)
    if whole.shape[1:] != policy.shape:
        whole = np.stack([from_pixels(image, policy) for image in whole])
    return whole


def _whole(images: NDArray[Any], top: int) -> NDArray[np.uint8]:
    images *= 255 / top
    whole: NDArray[np.uint8] = np.rint(images, out=images).astype(np.uint8)
    return whole


def _open(body: bytes) -> tuple[bytes, int]:
    """The JSON of `data`, and the value of `range`."""
    if (members := body.count(b":")) > MAX_MEMBERS:
        raise InputError(f'the body must be an object {{"data": …}} of numbers in lists, got {members:,} colons')
    try:
        envelope = decode(_envelope, body, "")
    except InputError:
        raise InputError(f'the body must be an object {{"data": …}}, got {kind(body)}') from None
    except Problem as malformed:
        raise _non_finite(body) or malformed from None
    for key in envelope:
        if key not in KEYS:
            shown = key[:MAX_KEY]
            raise InputError(f"unknown key {shown}{_did_you_mean(shown)}", f"/{_escape(shown)}")
    if "data" not in envelope:
        raise InputError("data is missing: it holds the pixels, as nested lists of numbers", "/data")
    return bytes(envelope["data"]), _top(bytes(envelope["range"])) if "range" in envelope else 1


def _top(text: bytes) -> int:
    """The value of `range`."""
    try:
        top = _number.decode(text)
    except (ValueError, RecursionError):
        top = math.nan
    if top not in RANGES:
        raise InputError(f"/range must be 1 or 255, got {text[:40].decode('utf-8', 'replace')}", "/range")
    return int(top)


def _split(values: NDArray[np.float64], policy: ImagePolicy) -> NDArray[np.float64]:
    """(N, h, w, c) from an array of any allowed depth; the module's docstring has the rules."""
    shape = values.shape
    size = (policy.height, policy.width)
    grey = policy.channels == 1
    if values.ndim == 1:
        return values.reshape(1, *flat_shape(shape[0], policy, "/data"))
    if values.ndim == 2 and shape != size:
        return values.reshape(shape[0], *flat_shape(shape[1], policy, "/data/0"))
    if values.ndim == 2:
        return values[None, :, :, None]
    if values.ndim == 3 and grey and shape[1:] == size:
        return values[..., None]
    if shape[-1] in (1, 3):
        return values if values.ndim == 4 else values[None]
    if values.ndim == 3 and grey:
        return values[..., None]
    raise InputError(_channels_rule(shape), "/data")


def flat_shape(length: int, policy: ImagePolicy, pointer: str) -> tuple[int, int, int]:
    """(h, w, C) of a flat image.

    Raises:
        InputError: no image has this many values.
    """
    if length == math.prod(policy.shape):
        return policy.shape
    side = math.isqrt(length // policy.channels)
    if side * side * policy.channels == length and side >= MIN_FLAT_SIDE:
        return side, side, policy.channels
    factors = " × ".join(map(str, policy.shape))
    raise InputError(
        f"{pointer} must hold {math.prod(policy.shape)} values ({factors}), or s × s × {policy.channels} for a side s "
        f"of at least {MIN_FLAT_SIDE}, got {length}",
        pointer,
    )


def _channels_rule(shape: tuple[int, ...]) -> str:
    hint = "; channels come last: transpose it" if shape[-3] in (1, 3) else ""
    return f"/data must end in 1 or 3 channels, as (h, w, c), got the shape {shape}{hint}"


def _non_finite(body: bytes) -> InputError | None:
    """Python writes NaN and Infinity, which JSON does not have: those are told as numbers out of range."""
    try:
        values = json.loads(body.decode(), parse_int=float) if searchable(body) else None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not isinstance(data := values.get("data"), list):
        return None
    text = json.dumps(data).encode()
    depth = len(text) - len(text.lstrip(b"["))
    return find_fault(text, depth, 255 if values.get("range") == 255 else 1)


def _did_you_mean(key: str) -> str:
    near = SYNONYMS.get(key.lower()) or next(iter(difflib.get_close_matches(key.lower(), KEYS, n=1)), None)
    return f": did you mean {near}?" if near else f"; known keys: {', '.join(KEYS)}"


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
