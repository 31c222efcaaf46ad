"""A program in a terminal of its own, and what it has drawn there so far."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread
from types import MappingProxyType

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ROWS = 50
heed_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
"""Before a program begins: where tests run in the background, they and their children are deaf to it."""


class Terminal:
    """Reads all that is written to it."""

    def __init__(self, process: subprocess.Popen[bytes], main: int) -> None:
        self.process = process
        self._written = b""
        self._main = main
        Thread(target=self._read, daemon=True).start()

    @property
    def text(self) -> str:
        """Everything so far, without colours and movements of the cursor."""
        return CONTROL.sub("", self.raw).replace("\r", "")

    @property
    def last(self) -> list[str]:
        """The lines of what was drawn last."""
        drawn = re.split(r"(?:\x1b\[1A\x1b\[2K)+", self.raw)[-1]
        return [line.rstrip() for line in CONTROL.sub("", drawn).replace("\r", "").split("\n")]

    @property
    def raw(self) -> str:
        """Everything so far, with colours and movements."""
        return self._written.decode(errors="replace")

    def _read(self) -> None:
        with suppress(OSError):  # the program has ended
            while piece := os.read(self._main, 65536):
                self._written += piece


@contextmanager
def terminal(
    *words: str, columns: int = 80, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Terminal]:
    """`eyas` with these words; killed at the end, where it still runs."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    ours = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "eyas", *words],
        stdin=other,
        stdout=other,
        stderr=other,
        env={**ours, "TERM": "xterm-256color", **environment},
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )
    os.close(other)
    try:
        yield Terminal(process, main)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(main)
