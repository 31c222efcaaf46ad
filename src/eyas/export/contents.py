"""All that a bundle holds beside its graph: reference, golden answers, card and manifest."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import BundleDraft, Conformal, DatasetInfo, InputSpec, Manifest, Parity, Quantisation
from eyas.bundle.folder import CARD, GOLDEN, MODEL, REFERENCE
from eyas.core import io
from eyas.core.moments import iso
from eyas.core.schema import ExportConfig
from eyas.data import Dataset, Split
from eyas.data.split import SplitName
from eyas.evaluate import evaluate, fit_threshold, prediction_sets
from eyas.export.card import write_card
from eyas.export.subject import Answers, Subject
from eyas.infer import Session
from eyas.monitor.reference import build_reference

GOLDEN_IMAGES = 16
# A network more accurate than the coverage asked for would get a threshold near 1, and confident answers empty sets.
# A lower threshold only enlarges sets, so coverage holds; at 1/2 a set is empty only where no class has a majority.
MAX_THRESHOLD = 0.5
LIBRARIES = ("eyas", "torch", "onnx", "onnxruntime", "numpy", "pillow")


def write_contents(
    draft: BundleDraft,
    subject: Subject,
    config: ExportConfig,
    session: Session,
    proved: Answers,
    temperature: float,
    parity: Parity,
    quantisation: Quantisation | None = None,
) -> Manifest:
    """Fill `draft`, which holds its graph, and finish it.

    Args:
        session: of the draft's graph.
        proved: the graph's answers to the proof split.
        temperature: the one in the graph.
        parity: of the float32 graph.
        quantisation: what is lost and gained against that graph, where this one is another.
    """
    dataset = subject.dataset
    answers: dict[SplitName, Answers] = {
        split.name: proved if split is subject.proof else session.run(split.take(slice(None)))
        for split in (dataset.val, dataset.test)
    }
    evaluations = {
        split.name: evaluate(answers[split.name]["probabilities"], split.labels, dataset.classes)
        for split in (dataset.val, dataset.test)
        if len(split)
    }
    conformal = _conformal(answers, dataset, config.coverage)
    _write_reference(draft.path / REFERENCE, answers["val"], dataset.val)
    _write_golden(draft.path / GOLDEN, subject.proof, proved["probabilities"])
    fields = _describe(subject, draft.path, config, quantisation)
    write_card(draft.path / CARD, fields, evaluations, parity, conformal)
    return draft.finish(
        **fields,
        temperature=temperature,
        conformal=conformal,
        parity=parity,
        metrics={name: evaluation.summary() for name, evaluation in evaluations.items()},
    )


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
    subject: Subject, folder: Path, export: ExportConfig, quantisation: Quantisation | None
) -> dict[str, Any]:
    """What the manifest says of where the model comes from."""
    dataset, policy = subject.dataset, subject.dataset.policy
    precision = f"{quantisation.precision}" if quantisation else ""
    numbered = export.version or f"{subject.name}-{io.sha256_file(folder / MODEL)[:8]}"
    return {
        "name": subject.name,
        "version": f"{numbered}-{precision}" if precision else numbered,
        "created": iso(),
        "classes": dataset.classes,
        "input": InputSpec(
            height=policy.height,
            width=policy.width,
            channels=policy.channels,
            resize=policy.resize,
            mean=subject.mean,
            std=subject.std,
        ),
        "outputs": subject.outputs,
        "architecture": subject.architecture,
        "framework": f"{subject.framework}, {precision}" if precision else subject.framework,
        "parameters": subject.parameters,
        "quantisation": quantisation,
        "imported": subject.imported,
        "dataset": DatasetInfo(
            name=dataset.name,
            fingerprint=dataset.fingerprint,
            images={split.name: len(split) for split in dataset.splits},
        ),
        "training": subject.training,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }
