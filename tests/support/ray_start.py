"""Ray's processes on a busy machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


def ease_ray(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what Ray starts from here begin sooner, and be waited for longer.

    A node gives up where its agents take longer than 15 s to begin: here they have 120. All of its processes load
    jsonschema, which spends seconds on a grammar for addresses where this optional package is installed: here they do
    not find it.

    Args:
        folder: an empty one, for the module that stands before that package.
        monkeypatch: takes the environment back.
    """
    (folder / "rfc3987_syntax.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, sys.path)]))
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "120000")
