"""`eyas export`: a run folder and its dataset in, a proved bundle out."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Bundle, Precision, write_bundle
from eyas.bundle.folder import MODEL
from eyas.core.runs import RunFolder
from eyas.core.schema import ExportConfig
from eyas.data import Dataset, Split
from eyas.evaluate import fit_temperature
from eyas.export.comparison import compare
from eyas.export.contents import write_contents
from eyas.export.origin import open_origin
from eyas.export.quantise import quantise, set_temperature
from eyas.infer import Session

CALIBRATION_IMAGES = 512


def export_run(run: RunFolder, dataset: Dataset, config: ExportConfig, target: Path | None = None) -> Bundle:
    """Write the run's best network as a bundle.

    Temperature and conformal threshold are fitted on the validation split. The parity proof goes over the
    whole test split (the validation split where there is no test split).

    Args:
        dataset: the one that the run was trained on.
        target: where the bundle goes; the run's own `bundle/` by default.

    Returns:
        The bundle, opened and checked.

    Raises:
        BundleError: the target exists, there is nothing to prove parity on, or the network cannot be an ONNX graph.
        DataError: the dataset is not the run's.
        ParityError: the graph answers differently; nothing is written.
    """
    target = target or run.bundle
    origin = open_origin(run, dataset)
    with write_bundle(target) as draft:
        session = origin.trace(draft.path / MODEL)
        parity, proved = origin.prove(session, config.tolerance)
        manifest = write_contents(draft, origin.subject(), config, session, proved, origin.temperature, parity)
    return Bundle(target, manifest)


def quantise_run(
    run: RunFolder, dataset: Dataset, config: ExportConfig, precision: Precision, target: Path | None = None
) -> Bundle:
    """`export_run`, with a graph that computes in `precision`.

    The float32 graph is proved as in `export_run`, and this one compared with it over the same split. Temperature,
    conformal threshold, reference and golden answers are this graph's own. The ranges of int8 are those that up to
    `CALIBRATION_IMAGES` images of the validation split give (of the training split where there is no other).

    Args:
        target: where the bundle goes; the run's own `bundle-int8/` or `bundle-fp16/` by default.

    Raises:
        BundleError: as in `export_run`; or no layer below the head has weights.
        DataError: the dataset is not the run's.
        ParityError: the accuracy falls by more than `config.max_accuracy_drop`; nothing is written.
    """
    target = target or run.quantised_bundle(precision)
    origin = open_origin(run, dataset)
    with write_bundle(target) as draft, TemporaryDirectory(prefix="eyas-") as folder:
        plain, model = Path(folder) / MODEL, draft.path / MODEL
        session = origin.trace(plain)
        parity, before = origin.prove(session, config.tolerance)
        images = _spread(dataset.val if len(dataset.val) else dataset.train)
        quantise(plain, model, precision, images)
        temperature = fit_temperature(Session(model).run(dataset.val.take(slice(None)))["logits"], dataset.val.labels)
        session = set_temperature(model, temperature)
        after = session.run(origin.proof.take(slice(None)))
        found = compare(precision, origin.proof, before, after, plain, model, max_drop=config.max_accuracy_drop)
        manifest = write_contents(draft, origin.subject(), config, session, after, temperature, parity, found)
    return Bundle(target, manifest)


def _spread(split: Split) -> NDArray[np.uint8]:
    """Up to `CALIBRATION_IMAGES` images, evenly over the split."""
    return split.take(np.unique(np.linspace(0, len(split) - 1, CALIBRATION_IMAGES).astype(np.int64)))
