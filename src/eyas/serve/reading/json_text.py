"""The one way from a JSON text that a client sent to what it must hold."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from eyas.core.errors import InputError
from eyas.serve.http.problems import Problem

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], text: bytes, rule: str, what: str = "the body") -> T:
    """What `text` holds.

    Args:
        rule: what it must hold, in the words of an error.
        what: `text` is, in the same.

    Raises:
        InputError: it is JSON, and breaks the rule.
        Problem: 400, it is no JSON in UTF-8.
    """
    try:
        if not text.isascii():
            text.decode()  # msgspec does not look into what it passes over
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise InputError(f"{rule}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"{what} is not valid JSON: {error}") from None
