"""What a worker tells the watcher: predictions of one version, as arrays."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyas.monitor.store import Arm

COLUMNS = 5
"""Of `Rows.numbers`, before the probabilities."""


class Rows(msgspec.Struct, array_like=True, frozen=True):
    """n predictions of one version, in the order of their answers. Arrays lie in bytes, as the machine has them."""

    model: str
    version: str
    arm: Arm
    """What the version answered as: `champion` where there is no rollout; a shadow's answers go to nobody."""
    step: int
    """Of the rollout that dealt them; 0 where none did."""
    drawn: int
    """Requests among them whose arm was drawn for the request alone; a user's is not."""
    ids: list[str]
    time_bytes: bytes
    number_bytes: bytes
    watched: list[int]
    """The w rows that the drift tests look at, ascending."""
    pixel_bytes: bytes
    shape: tuple[int, int, int]
    """(H, W, C) of the images."""
    image_bytes: dict[int, bytes]
    """Of the rows whose image is to be kept."""
    champion: list[int]
    """Of a shadow: the classes that the champion named; else empty."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def times(self) -> NDArray[np.float64]:
        """(n,) seconds since 1970, of the answers."""
        return np.frombuffer(self.time_bytes, np.float64)

    @property
    def numbers(self) -> NDArray[np.float32]:
        """(n, 5 + K): `scores`, then `probabilities`."""
        return np.frombuffer(self.number_bytes, np.float32).reshape(len(self), -1)

    @property
    def scores(self) -> NDArray[np.float32]:
        """(n, 5): latency in seconds; energy, distance, outlier score, and whether unknown (1 or 0).

        All but the latency are NaN where the bundle has no reference.
        """
        return self.numbers[:, :COLUMNS]

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(n, K)."""
        return self.numbers[:, COLUMNS:]

    @property
    def pixels(self) -> NDArray[np.float32]:
        """(w, 2C) of `eyas.monitor.pixels.all_statistics`."""
        return np.frombuffer(self.pixel_bytes, np.float32).reshape(-1, 2 * self.shape[2])

    def image(self, row: int) -> NDArray[np.uint8] | None:
        """(H, W, C), where it is to be kept."""
        content = self.image_bytes.get(row)
        return None if content is None else np.frombuffer(content, np.uint8).reshape(self.shape)


_decoder = msgspec.msgpack.Decoder(Rows)
encode = msgspec.msgpack.Encoder().encode
decode = _decoder.decode
