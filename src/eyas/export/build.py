"""`eyas export`: a run folder and its dataset in, a proved bundle out."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Bundle, Conformal, DatasetInfo, InputSpec, Parity, open_bundle, write_bundle
from eyas.bundle.folder import CARD, GOLDEN, MODEL, REFERENCE
from eyas.core import io
from eyas.core.errors import BundleError
from eyas.core.runs import RunFolder
from eyas.core.schema import Config, ExportConfig
from eyas.data import Dataset, Split
from eyas.data.dataset import SplitName
from eyas.evaluate import evaluate, fit_temperature, fit_threshold, prediction_sets, softmax
from eyas.export.card import write_card
from eyas.export.graph import OPSET, output_names, trace
from eyas.export.parity import Proof
from eyas.infer import Session
from eyas.infer.session import CAM, CHUNK, OUTPUTS
from eyas.monitor.reference import build_reference
from eyas.nn import Network, load_network, run_in_parts, run_network

GOLDEN_IMAGES = 16
# A network more accurate than the coverage asked for would get a threshold near 1, and confident answers empty sets.
# A lower threshold only enlarges sets, so coverage holds; at 1/2 a set is empty only where no class has a majority.
MAX_THRESHOLD = 0.5
Answers = dict[str, NDArray[np.float32]]
LIBRARIES = ("eyas", "torch", "onnx", "onnxruntime", "numpy", "pillow")


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
    network, about = load_network(run)
    dataset.require(about["fingerprint"], run.path)
    proof = dataset.test if len(dataset.test) else dataset.val
    if not len(proof):
        raise BundleError("export needs a test or validation split to prove parity on, got neither")
    temperature = fit_temperature(run_network(network, dataset.val).logits, dataset.val.labels)
    with write_bundle(target) as draft:
        trace(network, temperature, dataset.policy.shape, draft.path / MODEL)
        session = Session(draft.path / MODEL)
        parity, proved = _prove(network, temperature, session, proof, config.tolerance)
        answers = {
            split.name: proved if split is proof else session.run(split.take(slice(None)))
            for split in (dataset.val, dataset.test)
        }
        evaluations = {
            split.name: evaluate(answers[split.name]["probabilities"], split.labels, dataset.classes)
            for split in (dataset.val, dataset.test)
            if len(split)
        }
        conformal = _conformal(answers, dataset, config.coverage)
        _write_reference(draft.path / REFERENCE, answers["val"], dataset.val)
        _write_golden(draft.path / GOLDEN, proof, answers[proof.name]["probabilities"])
        fields = _describe(run.config(), run, network, about, dataset, draft.path, config)
        write_card(draft.path / CARD, fields, evaluations, parity, conformal)
        draft.finish(
            **fields,
            temperature=temperature,
            conformal=conformal,
            parity=parity,
            metrics={name: evaluation.summary() for name, evaluation in evaluations.items()},
        )
    return open_bundle(target)


def _prove(
    network: Network, temperature: float, session: Session, split: Split, tolerance: float
) -> tuple[Parity, Answers]:
    """The parity of every output over the split, and the graph's answers, without the maps: those are too large."""
    proof, parts = Proof(split.name, tolerance), []
    for images, outputs in run_in_parts(network, split, CHUNK):  # maps are K · h · w numbers an image
        expected = {
            "logits": outputs.logits,
            "probabilities": softmax(outputs.logits, temperature).astype(np.float32),
            "features": outputs.features,
        }
        if outputs.cam is not None:
            expected[CAM] = outputs.cam
        actual = session.run(images, tuple(expected))
        proof.add(expected, actual)
        parts.append({name: actual[name] for name in OUTPUTS})
    return proof.finish(), {name: np.concatenate([part[name] for part in parts]) for name in OUTPUTS}


def _conformal(answers: Mapping[SplitName, Answers], dataset: Dataset, coverage: float) -> Conformal:
    """The threshold, fitted on the validation split, and the coverage that it has on the test split."""
    threshold = min(fit_threshold(answers["val"]["probabilities"], dataset.val.labels, coverage), MAX_THRESHOLD)
    sets = prediction_sets(answers["test"]["probabilities"], threshold)
    labels = dataset.test.labels
    held = sets[np.arange(len(labels)), labels]
    measured = float(held.mean()) if len(labels) else None
    return Conformal(coverage=coverage, threshold=threshold, images=len(dataset.val), measured=measured)


def _write_reference(file: Path, answers: Answers, val: Split) -> None:
    """What monitoring will compare with, from the validation split."""
    outputs = (answers["probabilities"], answers["logits"], answers["features"])
    arrays: dict[str, Any] = build_reference(*outputs, val.labels, val.take(slice(None)))
    np.savez_compressed(file, **arrays)


def _write_golden(file: Path, split: Split, probabilities: NDArray[np.float32]) -> None:
    """`GOLDEN_IMAGES` images spread evenly over the split, and their answers."""
    rows = np.unique(np.linspace(0, len(split) - 1, GOLDEN_IMAGES).astype(np.int64))
    np.savez_compressed(file, images=split.take(rows), probabilities=probabilities[rows])


def _describe(
    config: Config,
    run: RunFolder,
    network: Network,
    about: dict[str, Any],
    dataset: Dataset,
    folder: Path,
    export: ExportConfig,
) -> dict[str, Any]:
    """What the manifest says of where the model comes from."""
    policy = dataset.policy
    return {
        "name": run.path.name,
        "version": export.version or f"{run.path.name}-{io.sha256_file(folder / MODEL)[:8]}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "classes": dataset.classes,
        "input": InputSpec(
            height=policy.height,
            width=policy.width,
            channels=policy.channels,
            resize=policy.resize,
            mean=tuple(about["mean"]),
            std=tuple(about["std"]),
        ),
        "outputs": output_names(network),
        "architecture": config.model.name,
        "framework": f"PyTorch {version('torch')}, ONNX opset {OPSET}",
        "parameters": network.trainable_parameters(),
        "dataset": DatasetInfo(
            name=dataset.name,
            fingerprint=dataset.fingerprint,
            images={split.name: len(split) for split in dataset.splits},
        ),
        "training": config.model_dump(mode="json"),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }
