"""EYAS_MUST_RUN makes a skip for a missing tool a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MARKED = """
import pytest
@pytest.mark.skipif(True, reason="Prometheus is not installed: apt-get install prometheus")
def test_needs_prometheus(): ...
def test_needs_a_gpu(): pytest.skip("needs a CUDA GPU")
"""
WHOLE = 'import pytest\npytest.importorskip("no_such_module", reason="boto3 does not fit: make elsewhere")\n'


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("", 0, "3 skipped"),
        ("apt-get install", 1, "2 skipped, 1 error"),
        ("make elsewhere", 2, "boto3 does not fit: make elsewhere (EYAS_MUST_RUN lets no test be skipped"),
    ],
)
def test_who_must_run_is_not_skipped(tmp_path: Path, asked: str, code: int, said: str) -> None:
    (tmp_path / "test_marked.py").write_text(MARKED)
    (tmp_path / "test_whole.py").write_text(WHOLE)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "support.skips", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "EYAS_MUST_RUN": asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout
