"""Bundles made from real runs: they answer as the network does, or there is no bundle."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from eyas.bundle import open_bundle
from eyas.core.config import load_config
from eyas.core.errors import BundleError, DataError, ParityError
from eyas.core.schema import ExportConfig
from eyas.evaluate import softmax
from eyas.export import export_run, prove_parity
from eyas.infer import Predictor
from eyas.nn import load_network, run_network
from eyas.train import start_run
from support.datasets import changed

FAST = ("train.precision=fp32", "train.epochs=2", "train.batch_size=64", "data.source=digits")


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return lambda dataset, *words: start_run(load_config(None, [f"runs_dir={folder}", *FAST, *words]), dataset).run


@pytest.fixture(scope="module")
def run(train, digits):
    return train(digits, "model=cnn", "model.batch_norm_momentum=0.9")


@pytest.fixture(scope="module")
def bundle(run, digits):
    return export_run(run, digits, ExportConfig())


def test_the_bundle_answers_as_the_network_over_the_whole_test_split(bundle, run, digits):
    network, _ = load_network(run)
    images = digits.test.take(slice(None))
    expected = softmax(run_network(network, digits.test).logits, bundle.manifest.temperature)
    actual = Predictor(bundle).run(images)
    np.testing.assert_allclose(actual.probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(actual.features, run_network(network, digits.test).features, atol=1e-3)
    parity = bundle.manifest.parity
    assert (parity.split, parity.images, parity.agreement) == ("test", len(digits.test), 1.0)
    assert parity.differences.keys() == {"logits", "probabilities", "features"}
    assert all(0 <= difference <= parity.tolerance for difference in parity.differences.values())


def test_the_graph_takes_bytes_of_any_batch_size(bundle):
    graph = onnx.load(bundle.model).graph
    (images,) = graph.input
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [dim.dim_value or dim.dim_param for dim in images.type.tensor_type.shape.dim] == ["batch", 8, 8, 1]
    predictor = Predictor(bundle)
    blank = np.zeros((7, 8, 8, 1), np.uint8)
    assert predictor.run(blank).probabilities.shape == (7, 10)


def test_the_manifest_tells_where_the_model_comes_from(bundle, run, digits):
    manifest = bundle.manifest
    assert manifest.classes == digits.classes
    assert manifest.dataset.fingerprint == digits.fingerprint
    assert manifest.dataset.images == {"train": len(digits.train), "val": len(digits.val), "test": len(digits.test)}
    assert manifest.training == run.config().model_dump(mode="json")
    assert manifest.version.startswith("digits-cnn-1-")
    assert manifest.metrics["test"]["accuracy"] == pytest.approx(
        (Predictor(bundle).run(digits.test.take(slice(None))).classes == digits.test.labels).mean()
    )
    assert {"torch", "onnxruntime", "eyas", "python"} <= manifest.versions.keys()


def test_golden_answers_hold_and_the_reference_is_there(bundle, digits):
    assert Predictor(bundle).verify_golden() <= 1e-6
    assert len(bundle.golden().images) == 16
    assert int(bundle.reference()["images"]) == len(digits.val)


def test_an_accurate_model_leaves_few_answers_for_review(train, digits, tmp_path):
    accurate = train(digits, "train.epochs=12", "train.batch_size=32")
    bundle = export_run(accurate, digits, ExportConfig(), tmp_path / "bundle")
    answers = Predictor(bundle).run(digits.test.take(slice(None)))
    assert bundle.manifest.conformal.threshold <= 0.5
    assert answers.needs_review.mean() < 0.05
    np.testing.assert_array_equal(answers.needs_review, answers.confidence < bundle.manifest.conformal.threshold)


def test_the_card_names_the_figures(bundle):
    card = (bundle.path / "card.md").read_text()
    assert f"{bundle.manifest.metrics['test']['accuracy']:.2%}" in card
    assert bundle.manifest.version in card


def test_a_bundle_is_never_overwritten(bundle, run, digits):
    before = (bundle.path / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match="never overwritten"):
        export_run(run, digits, ExportConfig())
    assert (bundle.path / "manifest.json").read_bytes() == before


def test_where_parity_fails_nothing_is_written(run, digits, tmp_path):
    with pytest.raises(ParityError, match=r"within 1e-12 \(export\.tolerance\), got a difference of"):
        export_run(run, digits, ExportConfig(tolerance=1e-12), tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_other_data_are_refused(run, digits, tmp_path):
    with pytest.raises(DataError, match="was trained on other data"):
        export_run(run, changed(digits, fingerprint="0" * 64), ExportConfig(), tmp_path / "bundle")


def test_without_a_validation_split_nothing_is_calibrated_and_the_bundle_says_so(train, digits, tmp_path):
    empty = replace(digits.val, rows=digits.val.rows[:0], labels=digits.val.labels[:0])
    without = changed(digits, val=empty)
    manifest = export_run(train(without, "train.monitor=loss"), without, ExportConfig(), tmp_path / "bundle").manifest
    assert manifest.temperature == 1.0
    assert (manifest.conformal.threshold, manifest.conformal.images) == (0.0, 0)
    assert manifest.metrics.keys() == {"test"}


def test_a_version_may_be_given(run, digits, tmp_path):
    bundle = export_run(run, digits, ExportConfig(version="1.2.0"), tmp_path / "bundle")
    assert open_bundle(bundle.path).manifest.version == "1.2.0"


def test_a_custom_network_exports(train, digits, tmp_path):
    source = tmp_path / "mine.py"
    source.write_text(
        "from torch import nn\n"
        "def build(input_shape, classes):\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), "
        "nn.Linear(16, classes))\n"
    )
    bundle = export_run(train(digits, f"model={source}:build"), digits, ExportConfig())
    assert bundle.manifest.parity.agreement == 1.0
    answers = Predictor(bundle).run(digits.test.take(slice(3)))
    assert answers.features.shape == (3, 16)


def test_a_network_that_onnx_cannot_say_is_refused(train, digits, tmp_path):
    source = tmp_path / "odd.py"
    source.write_text(
        "import torch\nfrom torch import nn\n"
        "class Odd(nn.Module):\n"
        "    def __init__(self, classes):\n"
        "        super().__init__()\n"
        "        self.linear = nn.Linear(64, classes)\n"
        "    def forward(self, x):\n"
        "        flat = x.flatten(1)\n"
        "        return self.linear(flat) if flat.sum() > -1e9 else flat\n"
        "def build(input_shape, classes):\n"
        "    return Odd(classes)\n"
    )
    run = train(digits, f"model={source}:build")
    with pytest.raises(BundleError, match="cannot be written as an ONNX graph"):
        export_run(run, digits, ExportConfig())
    assert not run.bundle.exists()


def test_with_nothing_to_prove_parity_on_there_is_no_bundle(train, digits, tmp_path):
    only = changed(
        digits,
        val=replace(digits.val, rows=digits.val.rows[:0], labels=digits.val.labels[:0]),
        test=replace(digits.test, rows=digits.test.rows[:0], labels=digits.test.labels[:0]),
    )
    with pytest.raises(BundleError, match="needs a test or validation split to prove parity on"):
        export_run(train(only, "train.monitor=loss"), only, ExportConfig(), tmp_path / "bundle")


def outputs(probabilities):
    array = np.array(probabilities, np.float32)
    return {"logits": np.log(array), "probabilities": array, "features": array.copy()}


def test_a_wrong_number_is_no_parity():
    expected, actual = outputs([[0.5, 0.5]] * 3), outputs([[0.5, 0.5]] * 3)
    actual["features"][1] = np.nan
    with pytest.raises(ParityError, match=r"features within 0\.0001 .* image 1 of the test split"):
        prove_parity(expected, actual, split="test", tolerance=1e-4)


def test_a_tie_may_fall_to_either_class_and_nothing_else_may():
    tie = prove_parity(outputs([[0.5, 0.5]]), outputs([[0.499999, 0.500001]]), split="test", tolerance=1e-4)
    assert tie.agreement == 0.0
    expected, actual = outputs([[0.5, 0.5], [0.50008, 0.49992]]), outputs([[0.5, 0.5], [0.49998, 0.50002]])
    actual["logits"] = expected["logits"]
    with pytest.raises(ParityError, match="got another on 1 of 2, the first image 1"):
        prove_parity(expected, actual, split="test", tolerance=1.2e-4)


def test_large_features_are_compared_by_their_size():
    expected, actual = outputs([[0.5, 0.5]]), outputs([[0.5, 0.5]])
    expected["features"], actual["features"] = np.array([[1000.0]]), np.array([[1000.01]])
    differences = prove_parity(expected, actual, split="test", tolerance=1e-4).differences
    assert differences["features"] == pytest.approx(1e-5, rel=0.1)
