"""One fit in eyas: python eyas_fit.py DATA.npz mlp|cnn EPOCHS BATCH SEED. Prints JSON."""

import json
import resource
import statistics
import sys
import time

from eyas.core.config import load_values
from eyas.data import open_dataset
from eyas.train import start_run

file, network, epochs, batch, seed = sys.argv[1:]
words = (
    f"data.source={file}",
    "data.normalize=unit",
    "data.test_fraction=0",
    f"model={network}",
    f"train.epochs={epochs}",
    f"train.batch_size={batch}",
    f"train.seed={seed}",
    "train.early_stopping=null",
    "train.reduce_on_plateau=null",
    f"name={network}",
)
config = load_values({}, words, "the benchmark")
dataset = open_dataset(config.data)
start = time.perf_counter()
result = start_run(config, dataset)
print(
    json.dumps(
        {
            "images_per_second": len(dataset.train) / statistics.median(row.seconds for row in result.history[1:]),
            "fit_seconds": time.perf_counter() - start,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
            "val_accuracy": result.history[-1].val_accuracy,
        }
    )
)
