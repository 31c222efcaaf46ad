"""Bundles in int8 and fp16: whole bundles of their own, whose loss is measured, told and bounded."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto

from eyas.bundle import Bundle, Precision, open_bundle
from eyas.bundle.manifest import QUANTISED_TOLERANCE
from eyas.core.errors import BundleError, IntegrityError, ParityError
from eyas.core.runs import RunFolder
from eyas.core.schema import CustomConfig, ExportConfig, MLPConfig, ResNetConfig
from eyas.evaluate import fit_temperature, fit_threshold, softmax
from eyas.export import export_run, in_words, quantise_run
from eyas.export.comparison import compare
from eyas.infer import Predictor
from support.datasets import changed
from support.loaded import loaded_eyas
from support.runs import make_run
from support.server import running

NETWORK = ResNetConfig(widths=(8, 16), squeeze_excite=True)
KINDS = {"int8": {TensorProto.INT8, TensorProto.UINT8}, "fp16": {TensorProto.FLOAT16}}
LOSSY = """
import torch
from torch import nn

class Middle(nn.Module):
    def forward(self, x):
        return torch.cat([x, 1e4 + x[:, :1]], 1)[:, :-1]  # 256 steps up to 1e4 leave nothing of x

def build(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), Middle(), nn.Linear(32, 32), nn.ReLU(),
                         nn.Linear(32, classes))
"""


class Case(NamedTuple):
    precision: Precision
    run: RunFolder
    plain: Bundle
    bundle: Bundle


@pytest.fixture(scope="module")
def plain(digits, tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("resnet"), digits, NETWORK)
    return run, export_run(run, digits, ExportConfig())


@pytest.fixture(scope="module", params=KINDS)
def case(request, plain, digits):
    run, bundle = plain
    return Case(
        request.param, run, bundle, quantise_run(run, digits, ExportConfig(max_accuracy_drop=0.05), request.param)
    )


def export(*arguments, code=0):
    command = [loaded_eyas(), "export", *map(str, arguments)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert process.returncode == code, process.stdout + process.stderr
    return process


def test_it_is_a_bundle_of_its_own_beside_the_plain_one(case):
    assert case.bundle.path == case.run.path / f"bundle-{case.precision}"
    manifest, plain = case.bundle.manifest, case.plain.manifest
    assert manifest.version.endswith(f"-{case.precision}")
    assert manifest.framework.endswith(f", {case.precision}")
    assert (manifest.name, manifest.outputs, manifest.input) == (plain.name, plain.outputs, plain.input)
    assert plain.quantisation is None
    assert manifest.parity == plain.parity


def test_the_graph_keeps_the_contract(case, digits):
    graph = onnx.load(case.bundle.model).graph
    (images,) = graph.input
    assert images.type.tensor_type.elem_type == TensorProto.UINT8
    assert {output.type.tensor_type.elem_type for output in graph.output} == {TensorProto.FLOAT}
    predictor = Predictor(case.bundle)
    for size in (1, 7):
        answers = predictor.run(digits.test.take(slice(size)), cam="cam" in case.bundle.manifest.outputs)
        assert answers.probabilities.shape == (size, 10)
        assert answers.logits.dtype == np.float32
        np.testing.assert_allclose(answers.probabilities.sum(1), 1, atol=1e-6)


def test_the_layers_are_in_the_format_and_the_ends_are_not(case):
    graph = onnx.load(case.bundle.model).graph
    kinds = {one.name: one.data_type for one in graph.initializer}
    weights = [one for one in graph.initializer if len(one.dims) >= 2 and np.prod(one.dims) > 64]
    (head,) = (node for node in graph.node if "logits" in node.output)
    assert kinds[head.input[1]] == TensorProto.FLOAT
    maps = {name for node in graph.node if "cam" in node.output for name in node.input}
    inner = [one.data_type for one in weights if one.name not in {*head.input, *maps}]
    assert len(inner) >= 2
    assert set(inner) <= KINDS[case.precision]
    (softmax_,) = (node for node in graph.node if "probabilities" in node.output)
    assert softmax_.op_type == "Softmax"


def test_the_figures_are_those_of_the_two_bundles(case, digits):
    images, labels = digits.test.take(slice(None)), digits.test.labels
    before, after = (Predictor(bundle).run(images) for bundle in (case.plain, case.bundle))
    found = case.bundle.manifest.quantisation
    assert (found.precision, found.split, found.images) == (case.precision, "test", len(labels))
    assert found.float32_accuracy == case.plain.manifest.metrics["test"]["accuracy"]
    assert found.accuracy == case.bundle.manifest.metrics["test"]["accuracy"] == (after.classes == labels).mean()
    assert found.change == pytest.approx(found.accuracy - found.float32_accuracy)
    assert found.interval[0] <= found.change <= found.interval[1]
    assert found.agreement == (before.classes == after.classes).mean()
    assert found.difference == pytest.approx(np.abs(before.probabilities - after.probabilities).max(), abs=1e-6)
    assert 0 < found.difference < 0.5
    assert found.bytes == case.bundle.model.stat().st_size < found.float32_bytes
    assert [latency.images for latency in found.latency] == [1, 16]
    assert all(latency.ms > 0 and latency.float32_ms > 0 for latency in found.latency)


def test_temperature_threshold_reference_and_golden_answers_are_its_own(case, digits):
    manifest, predictor = case.bundle.manifest, Predictor(case.bundle)
    val = predictor.run(digits.val.take(slice(None)))
    assert manifest.temperature == pytest.approx(fit_temperature(val.logits, digits.val.labels))
    np.testing.assert_allclose(val.probabilities, softmax(val.logits, manifest.temperature), atol=1e-6)
    threshold = fit_threshold(val.probabilities, digits.val.labels, manifest.conformal.coverage)
    assert manifest.conformal.threshold == pytest.approx(min(threshold, 0.5))
    assert int(case.bundle.reference()["images"]) == len(digits.val)
    assert predictor.verify_golden() <= 1e-6
    assert np.abs(case.plain.golden().probabilities - case.bundle.golden().probabilities).max() > 0


def test_another_graphs_answers_are_no_golden_answers(case, tmp_path):
    """A processor may round to the next step; an 8-bit product that saturates does more."""
    golden = case.bundle.golden()
    wrong = replace(case.bundle, path=tmp_path)
    np.savez(tmp_path / "golden.npz", images=golden.images, probabilities=golden.probabilities + np.float32(0.011))
    (tmp_path / "model.onnx").write_bytes(case.bundle.model.read_bytes())
    with pytest.raises(IntegrityError, match=r"may differ by 0\.01, and differ by 0\.011"):
        Predictor(wrong).verify_golden()


def test_kernels_that_round_otherwise_stay_within_the_golden_tolerance(case):
    """The graph as it stands, in float32 arithmetic, for another processor; products of 8 bits that saturate fail."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(case.bundle.model), options, providers=["CPUExecutionProvider"])
    golden = case.bundle.golden()
    (probabilities,) = session.run(["probabilities"], {"images": golden.images})
    assert np.abs(probabilities - golden.probabilities).max() < QUANTISED_TOLERANCE


def test_the_card_tells_what_is_lost_and_gained(case):
    card, found = (case.bundle.path / "card.md").read_text(), case.bundle.manifest.quantisation
    assert f"{case.precision} against float32 on all {found.images} test images" in card
    assert f"{found.float32_accuracy:.2%} → {found.accuracy:.2%}" in card
    assert f"{found.latency[0].gain:.2f}× the speed" in card
    gains = max(latency.gain for latency in found.latency) >= 1.05
    assert ("gains no speed on this processor" in card) != gains


def test_the_server_answers_with_it(case):
    golden = case.bundle.golden()
    with running(case.bundle.path, workers=1) as server:
        answer = httpx.post(f"{server.url}/predict", json={"data": golden.images[:3].tolist(), "range": 255}).json()
    np.testing.assert_allclose(answer["probabilities"], golden.probabilities[:3], atol=1e-6)
    assert answer["version"] == case.bundle.manifest.version


def test_the_command_tells_what_is_lost_and_gained(plain, tmp_path):
    run, _ = plain
    words = ("data.source=digits", "export.max_accuracy_drop=0.05", "--to", tmp_path / "small")
    told = export(run.path, *words, "--int8")
    bundle = open_bundle(tmp_path / "small")
    for line in in_words(bundle.manifest.quantisation):
        assert line in told.stdout
    assert "parity of float32: 180 test images" in told.stdout
    assert told.stderr == ""


def test_one_format_a_bundle(tmp_path):
    assert "--int8 and --fp16 make a bundle each" in export(tmp_path, "--int8", "--fp16", code=2).stderr


def test_where_int8_loses_accuracy_nothing_is_written(digits, tmp_path):
    (tmp_path / "mine.py").write_text(LOSSY)
    run = make_run(tmp_path, digits, CustomConfig(name=f"{tmp_path / 'mine.py'}:build"))
    with pytest.raises(ParityError, match=r"may lose at most 0\.01 of accuracy \(export\.max_accuracy_drop\), got 0\."):
        quantise_run(run, digits, ExportConfig(), "int8")
    assert not run.quantised_bundle("int8").exists()
    permitted = quantise_run(run, digits, ExportConfig(max_accuracy_drop=0.99), "int8").manifest.quantisation
    assert permitted.change < -0.2
    assert permitted.interval[1] < 0


def test_an_answer_that_is_no_number_is_refused(digits):
    """As where activations outgrow float16, which ends at 65504."""
    before = {name: np.full((len(digits.test), 10), 0.1, np.float32) for name in ("logits", "probabilities")}
    after = {name: values.copy() for name, values in before.items()}
    after["logits"][3, 2] = np.inf
    with pytest.raises(ParityError, match="the fp16 graph must give finite logits"):
        compare("fp16", digits.test, before, after, Path("plain"), Path("model"), max_drop=0.99)


@pytest.mark.parametrize("precision", KINDS)
def test_where_the_head_is_all_there_is_nothing_to_quantise(precision, digits, tmp_path):
    run = make_run(tmp_path, digits, MLPConfig(hidden=()), 1)
    with pytest.raises(BundleError, match=f"{precision} needs a layer with weights below the head"):
        quantise_run(run, digits, ExportConfig(), precision)


def test_without_a_validation_split_training_images_give_the_ranges(digits, tmp_path):
    run = make_run(tmp_path, digits, MLPConfig(hidden=(32,)))
    without = changed(digits, val=replace(digits.val, rows=digits.val.rows[:0], labels=digits.val.labels[:0]))
    config = ExportConfig(version="1.2.0", max_accuracy_drop=0.05)
    manifest = quantise_run(run, without, config, "int8", tmp_path / "mine").manifest
    assert (manifest.version, manifest.temperature) == ("1.2.0-int8", 1.0)
    assert manifest.conformal.images == 0
    assert manifest.quantisation.agreement > 0.9
    assert open_bundle(tmp_path / "mine").manifest == manifest
