"""A search in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial


def start(*words: object) -> subprocess.Popen[str]:
    """`eyas tune` with these words; it heeds Ctrl-C, and is its group's leader."""
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, "-m", "eyas", "tune", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed, start_new_session=True
    )
