"""Ids of predictions."""

from time import time
from uuid import RFC_4122, UUID

from eyas.serve.ids import new_id


def test_an_id_is_a_uuid_of_version_7() -> None:
    before = int(1000 * time())
    made = UUID(new_id())
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= int(1000 * time())


def test_ids_of_one_moment_differ_in_74_bits() -> None:
    random = [int(new_id(), 16) & ~((1 << 128) - (1 << 80)) for _ in range(400)]
    ever_one, ever_zero = 0, 0
    for drawn in random:
        ever_one |= drawn
        ever_zero |= ~drawn
    assert (ever_one & ever_zero & ((1 << 80) - 1)).bit_count() == 74
    assert len(set(random)) == len(random)
