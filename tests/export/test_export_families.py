"""Bundles of the networks that give class activation maps."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from eyas.core.errors import InputError, ParityError
from eyas.core.schema import CNNConfig, CustomConfig, ExportConfig, ResNetConfig, WideResNetConfig
from eyas.explain import explain
from eyas.export import Proof, export_run
from eyas.infer import Predictor
from eyas.nn import load_network
from support.runs import make_run

SOURCE = """
from torch import nn

def build(input_shape, classes):
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
"""
NETWORKS = {
    "resnet": (ResNetConfig(widths=(8, 16), head_scale=0.5, dropout=0.1, squeeze_excite=True), 1),
    "wide_resnet": (WideResNetConfig(depth=10, width=1), 2),
    "custom": ("source", 6),
}


@pytest.fixture(scope="module", params=NETWORKS)
def case(request, digits, tmp_path_factory):
    """A run, its bundle, and the side of its maps."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    model, side = NETWORKS[request.param]
    if model == "source":
        (folder / "mine.py").write_text(SOURCE)
        model = CustomConfig(name=f"{folder / 'mine.py'}:build")
    run = make_run(folder, digits, model)
    return run, export_run(run, digits, ExportConfig()), side


def test_parity_is_proved_for_the_maps_too(case, digits):
    _, bundle, _ = case
    parity = bundle.manifest.parity
    assert bundle.manifest.outputs == ("logits", "probabilities", "features", "cam")
    assert parity.differences.keys() == set(bundle.manifest.outputs)
    assert all(difference <= 1e-4 for difference in parity.differences.values())
    assert (parity.images, parity.agreement) == (len(digits.test), 1.0)


def test_through_onnx_runtime_the_mean_of_the_maps_and_the_bias_are_the_logits(case, digits):
    run, bundle, side = case
    answers = Predictor(bundle).run(digits.test.take(slice(None)), cam=True)
    bias = load_network(run)[0].head.bias
    assert answers.cam.shape == (len(digits.test), 10, side, side)
    assert answers.cam.dtype == np.float32
    total = answers.cam.mean((2, 3)) + (0 if bias is None else bias.detach().numpy())
    np.testing.assert_allclose(total, answers.logits, atol=1e-5, rtol=1e-5)


def test_the_map_of_a_class_explains_its_logit(case, digits):
    _, bundle, _ = case
    predictor, image = Predictor(bundle), digits.test.take(slice(0, 1))
    answers = predictor.run(image, cam=True)
    found = explain(predictor, image[0], "cam", 3)
    assert found.map.shape == image.shape[1:3]
    small = Image.fromarray(answers.cam[0, 3]).resize(image.shape[1:3][::-1], Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found.map, np.asarray(small))
    assert found.probability == pytest.approx(answers.probabilities[0, 3])


def test_the_graph_of_other_answers_gives_the_same(case, digits):
    _, bundle, _ = case
    predictor, images = Predictor(bundle), digits.test.take(slice(70))
    np.testing.assert_array_equal(predictor.run(images, cam=True).logits, predictor.run(images).logits)
    assert predictor.run(images[:0], cam=True).cam.shape[0] == 0
    assert predictor.verify_golden() <= 1e-6


def test_the_batch_is_the_only_free_axis(case):
    _, bundle, side = case
    cam = next(output for output in onnx.load(bundle.model).graph.output if output.name == "cam")
    assert [dim.dim_value or dim.dim_param for dim in cam.type.tensor_type.shape.dim] == ["batch", 10, side, side]


def test_networks_without_maps_have_three_outputs(digits, tmp_path):
    bundle = export_run(make_run(tmp_path, digits, CNNConfig(filters=(8,), dense=()), 1), digits, ExportConfig())
    assert bundle.manifest.outputs == ("logits", "probabilities", "features")
    with pytest.raises(InputError, match="gives no class activation maps"):
        Predictor(bundle).run(digits.test.take(slice(2)), cam=True)


def answers(values):
    array = np.array(values, np.float32)
    return {"probabilities": array, "cam": array[:, :, None, None] * 100}


def test_a_proof_in_parts_is_the_proof_of_the_whole():
    expected, actual = answers([[0.7, 0.3]] * 5), answers([[0.7, 0.3]] * 5)
    actual["cam"] = actual["cam"].copy()
    actual["cam"][3, 1] += 0.0035
    proof = Proof("test", 1e-4)
    for rows in (slice(0, 2), slice(2, 4), slice(4, 5)):
        proof.add(*({name: values[rows] for name, values in side.items()} for side in (expected, actual)))
    parity = proof.finish()
    assert (parity.images, parity.agreement) == (5, 1.0)
    assert parity.differences["cam"] == pytest.approx(5e-5, rel=0.01)
    actual["cam"][3, 1] = np.nan
    proof.add(expected, actual)
    proof.add(expected, expected)  # what follows a NaN does not hide it
    with pytest.raises(ParityError, match=r"PyTorch's cam within 0\.0001 .* difference of nan on image 8 of the test"):
        proof.finish()
