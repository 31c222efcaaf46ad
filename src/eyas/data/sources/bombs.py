"""How much a file may unpack to, for every reader that holds what it unpacks in memory."""

from __future__ import annotations

from eyas.core.errors import UnsafeDataError

# Images are compressed already: ratios stay near 1, raw IDX and .npz files reach 6. DEFLATE's limit, a bomb's aim,
# is 1,032.
MAX_RATIO = 200
RATIO_FROM = 100 << 20
# ImageNet at 32×32, the largest set in common use as arrays, has 3.9 GB.
MAX_ARRAYS = 4 << 30
# One encoded image; 50 million pixels, uncompressed and with transparency, are 200 MB.
MAX_IMAGE = 512 << 20


def refuse_bomb(unpacked: int, packed: int, where: str, limit: int = MAX_ARRAYS) -> None:
    """Raise where `packed` bytes would become too many.

    Raises:
        UnsafeDataError: more than `limit` bytes, or more than 100 MiB and more than 200 times `packed`.
    """
    if unpacked > limit:
        raise UnsafeDataError(f"{where} unpacks to {unpacked:,} bytes or more; at most {limit:,} are read; refused")
    if unpacked > RATIO_FROM and unpacked > MAX_RATIO * packed:
        raise UnsafeDataError(
            f"{where} unpacks to {unpacked:,} bytes or more, over {MAX_RATIO} times its size, like a bomb; refused"
        )
