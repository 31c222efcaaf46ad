"""Images that are larger than the memory that training may have."""

import subprocess
import sys

import numpy as np
import pytest

IMAGES, SIDE = 4000, 224  # 602 MB of pixels
ALLOWANCE_MB = 400

TRAIN = """
import resource, sys
from pathlib import Path
import torch
from eyas.core.config import load_config
from eyas.data import open_dataset
from eyas.train import start_run

def data_mb():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData")]
    return int(line.split()[1]) // 1024

torch.set_num_threads(1)
torch.nn.functional.conv2d(torch.ones(4, 3, 32, 32), torch.ones(8, 3, 3, 3))  # what any first operator sets up
limit = (data_mb() + int(sys.argv[2])) << 20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
config = load_config(None, sys.argv[3:])
dataset = open_dataset(config.data)
if sys.argv[1] == "whole":
    dataset.train.take(slice(None))
print(start_run(config, dataset).history[-1].accuracy)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit on private memory is Linux's")
def test_training_streams_what_memory_cannot_hold(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(IMAGES) % 2
    images = rng.integers(0, 100, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    images[labels == 1] += 100
    np.savez(tmp_path / "large.npz", x_train=images, y_train=labels)
    del images
    file = f"data.source={tmp_path}/large.npz"
    subprocess.run([sys.executable, "-m", "eyas", "data", "import", file], check=True, capture_output=True, timeout=120)
    small = ("model=mlp", "model.hidden=[8]", "train.epochs=1", "train.batch_size=32", "train.precision=fp32")
    words = [file, f"runs_dir={tmp_path}", "train.threads=1", "data.force=true", *small]

    def train(how):
        command = [sys.executable, "-c", TRAIN, how, str(ALLOWANCE_MB), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)

    streamed = train("streamed")
    assert streamed.returncode == 0, streamed.stderr
    assert float(streamed.stdout) > 0.9
    whole = train("whole")  # the limit is a real one
    assert whole.returncode != 0
    assert "MemoryError" in whole.stderr
