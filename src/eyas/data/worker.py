"""One decoding process: settings, then batches of images in and decoded ones out, until the other end closes."""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection

from eyas.data.decode_one import decode_batch


def main(descriptor: int) -> None:
    """Serve the connection at `descriptor`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end then closes
    with Connection(descriptor) as connection:
        try:
            settings = connection.recv()
            while True:
                connection.send(decode_batch(connection.recv(), settings))
        except (EOFError, ConnectionError):
            return


if __name__ == "__main__":
    main(int(sys.argv[1]))
