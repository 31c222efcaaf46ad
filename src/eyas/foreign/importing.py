"""`eyas import onnx | torchscript | torch-export`: a model's file and a dataset in, a proved bundle out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from eyas.bundle import Bundle, Imported, Parity, write_bundle
from eyas.bundle.folder import MODEL
from eyas.core import io
from eyas.core.errors import BundleError, ParityError
from eyas.core.schema import DataConfig, ExportConfig
from eyas.evaluate import fit_temperature, softmax
from eyas.export.contents import write_contents
from eyas.export.parity import Proof
from eyas.export.subject import Answers, Subject
from eyas.foreign.batch import free_batch
from eyas.foreign.constants import count_weights, is_half
from eyas.foreign.formats import Format, require_format
from eyas.foreign.head import Head, find_head
from eyas.foreign.looking import Look, look
from eyas.foreign.onnx_file import external_files, opset_of, read_onnx
from eyas.foreign.original import Original, open_session
from eyas.foreign.preprocessing import Stated
from eyas.foreign.surgery import Plan, assemble, output_names, set_temperature, without_maps
from eyas.foreign.torch_files import open_exported, open_torchscript
from eyas.infer import Session
from eyas.infer.session import CAM, CHUNK, OUTPUTS

NEAR = 1e-2  # within which a graph is the same, before the proof
HALF = 2e-3  # within which 16 bits can answer alike
FITS = 1e-3  # within which class maps must average to the logits


def import_model(
    file: Path,
    wanted: Format,
    stated: Stated,
    data: DataConfig,
    export: ExportConfig,
    target: Path,
    *,
    force: bool = False,
) -> Bundle:
    """Make a bundle of a model from elsewhere.

    What is stated is checked on the validation split, on which temperature and conformal threshold are fitted and the
    parity with the untouched model is proved too. The test split is measured once, at the end.

    Args:
        file: an ONNX file, a TorchScript archive, or one of `torch.export`.
        stated: what the file does not say.
        data: images with the model's classes; they are brought to the model's size.
        target: the folder to make.
        force: import it even where the check speaks against what is stated.

    Returns:
        The bundle, opened and checked.

    Raises:
        BundleError: the target exists, or the file is no model that can be a bundle.
        ConfigError: something must be stated, or the check found something else to be clearly better.
        DataError: other classes than the model's, or no validation split.
        ParityError: the bundle's graph answers otherwise than the model; nothing is written.
        UnsafeDataError: a file that may run code, or that reaches out of its folder.
    """
    require_format(file, wanted)
    with write_bundle(target) as draft:
        came = _identify(file, wanted)
        original = _open(file, wanted, stated)
        seen = look(original, stated, data, force=force)
        first = seen.asked.run(seen.dataset.val.take(slice(CHUNK)), seen.reading)[seen.output]
        head = find_head(original.graph.graph, seen.output, first)
        plan, model = _assemble(original.graph, seen, head, draft.path / MODEL)
        session, temperature = _calibrate(model, seen, draft.path / MODEL)
        proof, proved = _prove(seen, plan.head, session, temperature, export.tolerance)
        parity = _finish(proof, original.graph)
        subject = _describe(came, original, seen, plan, stated.name or name_of(file))
        manifest = write_contents(draft, subject, export, session, proved, temperature, parity)
    return Bundle(target, manifest)


def name_of(file: Path) -> str:
    """A model's name from its file's."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", file.stem).strip("-._+")[:64] or "model"


def _identify(file: Path, wanted: Format) -> Imported:
    """What the file is, by its hash before it is read."""
    beside = external_files(file) if wanted == "onnx" else []
    external = {one.relative_to(file.parent.resolve()).as_posix(): io.sha256_file(one) for one in beside}
    return Imported(format=wanted, file=file.name, sha256=io.sha256_file(file), external=external)


def _open(file: Path, wanted: Format, stated: Stated) -> Original:
    if wanted == "onnx":
        graph = read_onnx(file)
        made_by = " ".join(filter(None, (graph.producer_name, graph.producer_version))) or "unknown"
        return Original(graph, open_session(file), f"{made_by}, ONNX opset {opset_of(graph)}")
    return open_torchscript(file, stated) if wanted == "torchscript" else open_exported(file)


def _assemble(model: ModelProto, seen: Look, head: Head, file: Path) -> tuple[Plan, ModelProto]:
    """The bundle's graph, for any number of images; without class maps where they do not average to the logits.

    A graph for one image that does not work for more is run on each image in turn.
    """
    entry, some = seen.asked.entry, seen.dataset.val.take(slice(CHUNK))
    images = some if len(some) > 1 else np.concatenate([some, some])
    free = ModelProto()
    free.CopyFrom(model)
    free_batch(free, entry)
    order = seen.order if (np.diff(seen.order) != 1).any() else None
    plan = Plan(entry, seen.reading, seen.asked.size, seen.asked.begin, head, order, len(seen.dataset.classes))
    try:
        whole = assemble(free, plan)
        answers = _try_out(whole, plan, seen, images, file)
    except BundleError as error:
        if entry.batch is None:
            raise
        if entry.batch > 1:
            raise BundleError(
                f"the model is made for {entry.batch} images at a time, and fails with that number taken out of it "
                f"({error}); export it for any number of images"
            ) from error
        free, plan = model, replace(plan, looped=True)
        whole = assemble(free, plan)
        answers = _try_out(whole, plan, seen, images, file)
    if plan.head.maps and not _maps_hold(answers):
        plan = without_maps(plan)
        whole = assemble(free, plan)
    return plan, whole


def _try_out(model: ModelProto, plan: Plan, seen: Look, images: NDArray[np.uint8], file: Path) -> Answers:
    """The graph's answers to some images.

    Raises:
        BundleError: it fails, or answers otherwise than the model, or otherwise where an image is alone.
    """
    onnx.save(model, file)
    session = Session(file)
    answers = session.run(images, output_names(plan))
    if answers["features"].ndim != 2 or any(len(answers[name]) != len(images) for name in OUTPUTS):
        raise BundleError("the graph does not give one answer for each image")
    gap = np.abs(_probabilities(seen.ask(images), plan.head) - _softmax(answers["logits"])).max()
    if not gap <= NEAR:
        raise BundleError(f"the graph does not answer as the model does: a probability differs by {gap:.1g}")
    _try_alone(session, images[:1], answers["logits"][:1])
    return answers


def _try_alone(session: Session, image: NDArray[np.uint8], expected: NDArray[np.float32]) -> None:
    remedy = "export it so that it takes one (a squeeze() without its axes leaves that of the images out)"
    try:
        found = session.run(image, ["logits"])["logits"]
    except BundleError as error:
        raise BundleError(f"the model takes several images and fails on one alone; {remedy}: {error}") from error
    if found.shape != expected.shape or not np.abs(_softmax(found) - _softmax(expected)).max() <= NEAR:
        raise BundleError(f"the model answers an image alone otherwise than among others; {remedy}")


def _maps_hold(answers: Answers) -> bool:
    """Whether the mean of the maps differs from the logits by the same bias on every image."""
    bias = answers["logits"] - answers[CAM].mean(axis=(2, 3))
    return bool(np.abs(bias - bias[:1]).max() <= FITS * max(1.0, float(np.abs(answers["logits"]).max())))


def _calibrate(model: ModelProto, seen: Look, file: Path) -> tuple[Session, float]:
    """Write the graph with the temperature that its logits on the validation split give."""
    onnx.save(model, file)
    val = seen.dataset.val
    temperature = fit_temperature(Session(file).run(val.take(slice(None)), ["logits"])["logits"], val.labels)
    set_temperature(model, temperature)
    onnx.save(model, file)
    return Session(file), temperature


def _prove(seen: Look, head: Head, session: Session, temperature: float, tolerance: float) -> tuple[Proof, Answers]:
    """The bundle's graph against the untouched model, over the whole validation split.

    A model that gives probabilities is compared in these, at temperature 1: it does not say its logits.
    """
    val, parts = seen.dataset.val, []
    proof = Proof(val.name, tolerance, "the model")
    for start in range(0, len(val), CHUNK):
        images = val.take(slice(start, start + CHUNK))
        found, actual = seen.ask(images), session.run(images)
        if head.taken_off is None and not head.is_log:
            expected = {"logits": found, "probabilities": softmax(found, temperature).astype(np.float32)}
            proof.add(expected, actual)
        else:
            expected = {"probabilities": _probabilities(found, head)}
            proof.add(expected, {"probabilities": _softmax(actual["logits"])})
        parts.append(actual)
    return proof, {name: np.concatenate([part[name] for part in parts]) for name in OUTPUTS}


def _finish(proof: Proof, model: ModelProto) -> Parity:
    """What was proved.

    Raises:
        ParityError: not enough; of a model of 16 bits, with the tolerance for those.
    """
    try:
        return proof.finish()
    except ParityError as error:
        if not is_half(model.graph) or proof.tolerance >= HALF:
            raise
        raise ParityError(
            f"{error}; this model computes in float16, which rounds by as much: export.tolerance={HALF:g} allows for it"
        ) from error


def _probabilities(found: NDArray[np.float32], head: Head) -> NDArray[np.float32]:
    """What the untouched model says, as probabilities at temperature 1."""
    if head.taken_off == "LogSoftmax":
        return np.exp(found)
    return found if head.taken_off or head.is_log else _softmax(found)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return softmax(logits).astype(np.float32)


def _describe(came: Imported, original: Original, seen: Look, plan: Plan, name: str) -> Subject:
    turns = ["The graph takes one image: it is run on each in turn, which is slower than a graph for many"]
    notes = (*plan.head.in_words(seen.output), *(turns if plan.looped else ()), *seen.in_words())
    return Subject(
        seen.dataset,
        seen.dataset.val,
        name=name,
        architecture=f"imported {came.format}",
        framework=original.framework,
        parameters=count_weights(original.graph.graph, plan.head.logits),
        outputs=output_names(plan),
        mean=seen.reading.mean,
        std=seen.reading.std,
        training={"data": seen.data.model_dump(mode="json")},
        imported=came.model_copy(update={"notes": notes}),
    )
