"""A user's script that `make types` reads and nobody runs: what each call gives, and which mistakes are seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyas import Classifier, Dataset
from eyas.api.results import Diagnosed, Explained, Measured
from eyas.bundle import Bundle
from eyas.core.runs import RunFolder
from eyas.data import CheckReport, Split


def the_data_are_typed(pixels: NDArray[np.uint8]) -> None:
    """A dataset and its parts."""
    data = assert_type(Dataset("digits", val_fraction=0.2), Dataset)
    assert_type(Dataset.from_arrays(pixels, ["a", "b"], test=(pixels, [0, 1]), image_size=32), Dataset)
    assert_type(data.train, Split)
    assert_type(data.check(), CheckReport)
    assert_type(data.show(), Image.Image)
    assert_type(len(data), int)
    Dataset("digits", image_sise=8)  # type: ignore[call-arg]


def every_answer_is_typed(pixels: NDArray[np.uint8]) -> None:
    """A classifier's chain."""
    data = Dataset("digits")
    fitted = assert_type(Classifier("cnn", epochs=3, model__dropout=0.1).fit(data), Classifier)
    assert_type(Classifier().fit(pixels, [0, 1]), Classifier)
    assert_type(fitted.tune(data, trials=3).fit(data), Classifier)
    assert_type(fitted.tune(data, space="space.yaml"), Classifier)
    assert_type(fitted.evaluate(), Measured)
    assert_type(fitted.evaluate(data.val), Measured)
    assert_type(fitted.predict([data.val, data.test]), NDArray[Any])
    assert_type(fitted.evaluate().accuracy, float)
    assert_type(fitted.predict([Path("one.png"), Image.new("L", (8, 8))]), NDArray[Any])
    assert_type(fitted.predict_proba(pixels), NDArray[np.float32])
    assert_type(fitted.score(data.test), float)
    assert_type(fitted.explain("one.png"), Explained)
    assert_type(fitted.diagnose(), Diagnosed)
    assert_type(fitted.export("bundle"), Bundle)
    assert_type(fitted.report("report.pdf"), Path)
    assert_type(fitted.plot(), Image.Image)
    assert_type(fitted.run, RunFolder)
    assert_type(fitted.history_["val_loss"], NDArray[np.float64])
    assert_type(Classifier.load("runs/digits-cnn-1"), Classifier)
    fitted.predikt(pixels)  # type: ignore[attr-defined]
    Classifier(optimizer="adams")  # type: ignore[arg-type]
