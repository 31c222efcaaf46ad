"""The serving half lives without the learning half."""

import subprocess
import sys

import pytest

LEARNING = ("torch", "sklearn", "matplotlib", "pyarrow", "onnx", "onnxscript", "scipy", "pandas")


@pytest.mark.parametrize("room", ["eyas.serve", "eyas.infer"])
def test_nothing_of_the_learning_half_is_loaded(room: str) -> None:
    code = f"import sys, {room}; print([m for m in {LEARNING} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "[]"
