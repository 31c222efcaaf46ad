"""A module of ours in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any


def start_module(name: str, *words: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start `python -m NAME WORDS…` with this Python, where it finds all that this process finds.

    Args:
        name: of the module.
        words: its arguments.
        options: more of `subprocess.Popen`'s.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    # -P: or `-m` would import from the working folder first, which may hold anything.
    return subprocess.Popen([sys.executable, "-P", "-m", name, *words], env=environment, **options)
