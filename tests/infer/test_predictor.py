"""A bundle's graph in memory."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from eyas.bundle import Bundle
from eyas.core import io
from eyas.core.errors import BundleError, InputError, IntegrityError
from eyas.infer import Prediction, Predictor
from eyas.infer.session import CHUNK
from support.bundles import VAL, digits


def test_golden_answers_are_reproduced(predictor: Predictor) -> None:
    assert predictor.verify_golden() < 1e-6


def test_a_large_batch_gives_what_its_images_give_alone(predictor: Predictor, bundle: Bundle) -> None:
    images, _ = digits(bundle.policy, VAL)
    assert len(images) > 2 * CHUNK
    together = predictor.run(images)
    for name in ("logits", "probabilities", "features"):
        alone = np.concatenate([getattr(predictor.run(image[None]), name) for image in images])
        np.testing.assert_allclose(getattr(together, name), alone, atol=1e-5)
    assert together.probabilities.dtype == np.float32
    np.testing.assert_allclose(together.probabilities.sum(axis=1), 1, atol=1e-5)


def test_the_review_share_is_what_the_threshold_asks(predictor: Predictor, bundle: Bundle) -> None:
    images, labels = digits(bundle.policy, VAL)
    prediction = predictor.run(images)
    members = prediction.probabilities >= bundle.manifest.conformal.threshold
    assert members[np.arange(len(labels)), labels].mean() >= bundle.manifest.conformal.coverage
    np.testing.assert_array_equal(prediction.needs_review, members.sum(axis=1) != 1)


def test_none_one_and_two_in_the_set() -> None:
    probabilities = np.array([[0.4, 0.35, 0.25], [0.8, 0.1, 0.1], [0.45, 0.45, 0.1]], np.float32)
    prediction = Prediction(probabilities, probabilities, probabilities, threshold=0.42)
    assert prediction.needs_review.tolist() == [True, False, True]
    assert prediction.classes.tolist() == [0, 0, 0]
    assert prediction.confidence.tolist() == pytest.approx([0.4, 0.8, 0.45])


def test_an_empty_batch_has_empty_answers(predictor: Predictor) -> None:
    prediction = predictor.run(np.empty((0, 8, 8, 1), np.uint8))
    assert prediction.logits.shape == prediction.probabilities.shape == (0, 10)
    assert prediction.features.shape == (0, 64)
    assert prediction.classes.shape == prediction.confidence.shape == prediction.needs_review.shape == (0,)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 8, 8, 1), np.float32), "must be a uint8 array, got float32"),
        ([[0]], "must be a uint8 array, got list"),
        (np.zeros((8, 8, 1), np.uint8), r"must have the shape \(N, 8, 8, 1\), got \(8, 8, 1\)"),
        (np.zeros((1, 9, 8, 1), np.uint8), r"must have the shape \(N, 8, 8, 1\), got \(1, 9, 8, 1\)"),
    ],
)
def test_other_arrays_are_refused(predictor: Predictor, images: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        predictor.run(images)


def test_maps_are_refused_where_the_graph_has_none(predictor: Predictor) -> None:
    with pytest.raises(InputError, match="no class activation maps"):
        predictor.run(np.zeros((1, 8, 8, 1), np.uint8), cam=True)


def copied(bundle: Bundle, target: Path) -> Bundle:
    """A copy to damage after it was opened: so the graph is at fault, and not its hash."""
    return dataclasses.replace(bundle, path=shutil.copytree(bundle.path, target / "bundle"))


def test_a_corrupt_graph_is_a_bundle_error(bundle: Bundle, tmp_path: Path) -> None:
    damaged = copied(bundle, tmp_path)
    content = damaged.model.read_bytes()
    for broken in (b"", b"not a graph", content[: len(content) // 2]):
        damaged.model.write_bytes(broken)
        with pytest.raises(BundleError, match=r"model\.onnx"):
            Predictor(damaged)
    damaged.model.unlink()
    with pytest.raises(BundleError, match=r"model\.onnx"):
        Predictor(damaged)


def test_a_graph_of_another_kind_is_a_bundle_error(bundle: Bundle, tmp_path: Path) -> None:
    damaged = copied(bundle, tmp_path)
    graph = onnx.load(damaged.model)
    del graph.graph.output[2]
    onnx.save(graph, damaged.model)
    with pytest.raises(BundleError, match="lacks the output features"):
        Predictor(damaged)
    graph.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(graph, damaged.model)
    with pytest.raises(BundleError, match=r"must take one input, images: tensor\(uint8\)"):
        Predictor(damaged)


def test_maps_come_where_the_graph_has_them(bundle: Bundle, tmp_path: Path) -> None:
    mapped = copied(bundle, tmp_path)
    graph = onnx.load(mapped.model)
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2, 3]), "axes"))
    graph.graph.node.append(onnx.helper.make_node("Unsqueeze", ["logits", "axes"], ["cam"]))
    graph.graph.output.append(onnx.helper.make_tensor_value_info("cam", onnx.TensorProto.FLOAT, ["batch", 10, 1, 1]))
    onnx.save(graph, mapped.model)
    predictor = Predictor(mapped)
    images = bundle.golden().images
    prediction = predictor.run(images, cam=True)
    assert prediction.cam is not None
    np.testing.assert_array_equal(prediction.cam[..., 0, 0], prediction.logits)
    assert predictor.run(images).cam is None
    assert predictor.run(images[:0], cam=True).cam.shape == (0, 10, 1, 1)


def test_other_golden_answers_are_an_integrity_error(bundle: Bundle, tmp_path: Path) -> None:
    damaged = copied(bundle, tmp_path)
    golden = bundle.golden()
    predictor = Predictor(damaged)

    def with_golden(**arrays: np.ndarray) -> None:
        (damaged.path / "golden.npz").unlink()
        np.savez(damaged.path / "golden.npz", **arrays)

    shifted = golden.probabilities + np.float32(0.01)
    with_golden(images=golden.images, probabilities=shifted)
    with pytest.raises(IntegrityError, match=r"may differ by 0\.0001, and differ by 0\.01"):
        predictor.verify_golden()
    with_golden(images=golden.images, probabilities=np.full_like(shifted, np.nan))
    with pytest.raises(IntegrityError, match="differ by nan"):
        predictor.verify_golden()
    with_golden(images=golden.images, probabilities=shifted[:, :9])
    with pytest.raises(IntegrityError, match=r"must be \(16, 10\), are \(16, 9\)"):
        predictor.verify_golden()
    with_golden(images=golden.images[:, :7], probabilities=shifted)
    with pytest.raises(IntegrityError, match="do not fit its graph"):
        predictor.verify_golden()
    with_golden(images=golden.images[:0], probabilities=shifted[:0])
    with pytest.raises(IntegrityError, match="no golden inputs"):
        predictor.verify_golden()
    with_golden(images=golden.images)
    with pytest.raises(IntegrityError, match="lacks the array probabilities"):
        predictor.verify_golden()
    io.write_bytes(damaged.path / "golden.npz", b"not an archive")
    with pytest.raises(IntegrityError, match="not an archive of plain arrays"):
        predictor.verify_golden()
