from __future__ import annotations

import subprocess
import sys

import eyas.evaluate
import eyas.monitor


def test_the_public_names() -> None:
    assert eyas.evaluate.__all__ == [
        "Averages",
        "Evaluation",
        "Interval",
        "ReliabilityBins",
        "Scores",
        "confusion_matrix",
        "evaluate",
        "fit_temperature",
        "fit_threshold",
        "paired_difference",
        "prediction_sets",
        "quick_scores",
        "softmax",
    ]
    assert eyas.monitor.__all__ == ["MAX_FEATURES", "QUANTILE_LEVELS", "build_reference"]


def test_neither_room_loads_the_learning_halfs_libraries() -> None:
    heavy = "{'torch', 'sklearn', 'matplotlib', 'scipy', 'onnx'}"
    program = f"import sys, eyas.evaluate, eyas.monitor; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
