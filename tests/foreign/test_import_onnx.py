"""ONNX files from elsewhere as bundles: they answer as the file does, and say what was found in it."""

from __future__ import annotations

import httpx
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from eyas.bundle import open_bundle
from eyas.core.errors import BundleError, ConfigError, DataError, UnsafeDataError
from eyas.core.schema import DataConfig, ExportConfig
from eyas.evaluate import softmax
from eyas.foreign import Stated, import_model
from eyas.infer import Predictor
from support.foreign_models import Net, as_taken, colour_graph, graph_of, save, write_colours, write_onnx
from support.server import running

DIGITS = DataConfig(source="digits")
SYMMETRIC = Stated(scaling="symmetric")


@pytest.fixture(scope="module")
def file(net, tmp_path_factory):
    ended = Net(softmax=True).eval()
    ended.load_state_dict(net.state_dict())
    return write_onnx(ended, tmp_path_factory.mktemp("from elsewhere") / "small net.onnx")


@pytest.fixture(scope="module")
def bundle(file, tmp_path_factory):
    return import_model(file, "onnx", SYMMETRIC, DIGITS, ExportConfig(), tmp_path_factory.mktemp("b") / "bundle")


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    return DataConfig(source=str(write_colours(tmp_path_factory.mktemp("colours") / "made")))


def _import(model, colours, tmp_path, stated=None, to="bundle"):
    file = save(model, tmp_path / "model.onnx")
    return import_model(file, "onnx", stated or Stated(scaling="unit"), colours, ExportConfig(), tmp_path / to)


def test_the_bundle_answers_as_the_network_that_was_exported(bundle, net, digits):
    images = digits.test.take(slice(None))
    with torch.no_grad():
        logits = net(as_taken(digits.test)).numpy()
        features = net.body(as_taken(digits.test)).mean((2, 3)).numpy()
    found = Predictor(bundle).run(images, cam=True)
    np.testing.assert_allclose(found.logits, logits, atol=1e-3)
    np.testing.assert_allclose(found.features, features, atol=1e-3)
    np.testing.assert_allclose(found.probabilities, softmax(logits, bundle.manifest.temperature), atol=1e-4)
    bias = net.head.bias.detach().numpy()
    np.testing.assert_allclose(found.cam.mean(axis=(2, 3)) + bias, logits, atol=1e-3)
    assert bundle.manifest.metrics["test"]["accuracy"] == (logits.argmax(1) == digits.test.labels).mean() > 0.9


def test_the_manifest_and_the_card_tell_where_the_model_comes_from(bundle, file):
    manifest = open_bundle(bundle.path).manifest
    assert (manifest.name, manifest.parity.split) == ("small-net", "val")
    assert (manifest.imported.format, manifest.imported.file) == ("onnx", "small net.onnx")
    assert any("Softmax, which is taken off" in note for note in manifest.imported.notes)
    assert manifest.outputs == ("logits", "probabilities", "features", "cam")
    assert manifest.input.mean == (0.5,)
    assert manifest.training["data"]["source"] == "digits"
    card = (bundle.path / "card.md").read_text()
    assert "**Imported** from small net.onnx (onnx)" in card
    assert "the model as it came" in card
    assert Predictor(bundle).verify_golden() < 1e-6


def test_the_served_bundle_answers_as_the_model_did(bundle, file, digits):
    images = digits.test.take(slice(5))
    with running(bundle.path) as server:
        said = httpx.post(f"{server.url}/predict", json={"data": images[..., 0].tolist(), "range": 255}).json()
    (expected,) = onnxruntime.InferenceSession(file).run(None, {"pixels": as_taken(digits.test)[:5].numpy()})
    powers = expected ** (1 / bundle.manifest.temperature)
    np.testing.assert_allclose(said["probabilities"], powers / powers.sum(axis=1, keepdims=True), atol=1e-4)


def test_a_graph_for_one_image_at_a_time_takes_any_number(net, digits, tmp_path):
    file = write_onnx(net, tmp_path / "one.onnx", batch=1)
    found = import_model(file, "onnx", SYMMETRIC, DIGITS, ExportConfig(), tmp_path / "bundle")
    assert "1 at a time" in found.manifest.imported.notes[2]
    images = digits.test.take(slice(3))
    session = onnxruntime.InferenceSession(file)
    expected = [session.run(None, {"pixels": as_taken(digits.test)[k : k + 1].numpy()})[0] for k in range(3)]
    np.testing.assert_allclose(Predictor(found).run(images).logits, np.concatenate(expected), atol=1e-4)


def test_a_graph_that_works_for_one_image_alone_is_run_on_each(colours, tmp_path):
    model = colour_graph()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.zeros((1, 2), np.float32), "more"))  # a row for one image
    graph.node.insert(1, helper.make_node("Concat", ["means", "more"], ["longer"], axis=1))
    graph.node[2].input[0] = "longer"
    weights = numpy_helper.to_array(graph.initializer[0])
    graph.initializer[0].CopyFrom(numpy_helper.from_array(np.concatenate([weights, weights[:2]]), "weights"))
    found = _import(model, colours, tmp_path)
    assert any("run on each in turn" in note for note in found.manifest.imported.notes)
    images = np.random.default_rng(0).integers(0, 256, (70, 6, 5, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = [session.run(None, {"pixels": one[None].astype(np.float32) / 255})[0] for one in images]
    np.testing.assert_allclose(softmax(Predictor(found).run(images).logits), np.concatenate(expected), atol=1e-5)


@pytest.mark.parametrize("dtype", ["UINT8", "FLOAT16", "DOUBLE"])
def test_inputs_of_other_types_are_fed_as_they_want(dtype, colours, tmp_path):
    model, kind = colour_graph(), getattr(TensorProto, dtype)
    model.graph.input[0].type.tensor_type.elem_type = kind
    model.graph.node.insert(0, helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT))
    model.graph.node[1].input[0] = "floats"
    if dtype == "UINT8":
        model.graph.initializer.append(numpy_helper.from_array(np.array(255, np.float32), "full"))
        model.graph.node.insert(1, helper.make_node("Div", ["floats", "full"], ["shares"]))
        model.graph.node[2].input[0] = "shares"
    found = _import(model, colours, tmp_path, Stated() if dtype == "UINT8" else None)
    assert found.manifest.accuracy == 1


def test_a_batch_that_is_fixed_in_its_arithmetic_is_refused(colours, tmp_path):
    model = colour_graph()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    pairs = numpy_helper.from_array(np.eye(2, dtype=np.float32), "pairs")  # mixes the rows of two images
    model.graph.initializer.append(pairs)
    model.graph.node.insert(1, helper.make_node("MatMul", ["pairs", "means"], ["mixed"]))
    model.graph.node[2].input[0] = "mixed"
    with pytest.raises(BundleError, match="made for 2 images at a time"):
        _import(model, colours, tmp_path)
    assert not (tmp_path / "bundle").exists()


def test_an_nhwc_graph_written_by_hand_keeps_its_layout(colours, tmp_path):
    found = _import(colour_graph(), colours, tmp_path)
    assert found.policy.shape == (6, 5, 3)
    assert found.manifest.accuracy == 1
    assert "NHWC, 6×5" in " ".join(found.manifest.imported.notes)
    assert found.manifest.outputs[-1] == "cam"


def test_open_sizes_are_stated(colours, tmp_path):
    model = colour_graph()
    for axis in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side_{axis}"
    found = _import(model, colours, tmp_path, Stated(scaling="unit", size=(12, 4)))
    assert found.policy.shape == (12, 4, 3)
    with pytest.raises(ConfigError, match="--size must be what the graph has, height 6"):
        _import(colour_graph(), colours, tmp_path, Stated(scaling="unit", size=(12, 4)), to="other")


def test_the_centre_of_a_larger_image_is_what_the_model_sees(colours, tmp_path):
    model = colour_graph()
    small = Stated(scaling="unit", crop_share=0.5)
    found = _import(model, colours.model_copy(update={"resize": "crop"}), tmp_path, small)
    assert (found.policy.shape, found.policy.resize) == ((12, 10, 3), "crop")
    images = np.random.default_rng(0).integers(0, 256, (5, 12, 10, 3), dtype=np.uint8)
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(
        None, {"pixels": images[:, 3:9, 2:7].astype(np.float32) / 255}
    )
    np.testing.assert_allclose(softmax(Predictor(found).run(images).logits), expected, atol=1e-5)


def test_an_old_opset_and_weights_beside_the_model_are_taken(colours, tmp_path):
    model = colour_graph()
    model.opset_import[0].version = 11
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    stated = Stated(scaling="unit")
    found = import_model(tmp_path / "model.onnx", "onnx", stated, colours, ExportConfig(), tmp_path / "bundle")
    assert found.manifest.accuracy == 1
    assert not list(found.path.glob("*.bin"))


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "inside/../../weights.bin"])
def test_external_data_outside_the_folder_are_refused(location, colours, tmp_path):
    model = colour_graph()
    (tmp_path / "weights.bin").write_bytes(bytes(64))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    (tmp_path / "in").mkdir()
    with pytest.raises(UnsafeDataError, match="in its own folder"):
        _import(model, colours, tmp_path / "in")


def test_operators_of_libraries_of_their_own_are_refused(colours, tmp_path):
    model = colour_graph()
    model.graph.node[2].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(BundleError, match=r"com\.example::Add"):
        _import(model, colours, tmp_path)
    opsets = [helper.make_opsetid("", 17)]
    inner = [helper.make_node("Add", ["a", "b"], ["c"])]
    model.functions.append(helper.make_function("com.example", "Add", ["a", "b"], ["c"], inner, opsets))
    assert _import(model, colours, tmp_path).manifest.accuracy == 1  # the file says itself what the operator does


def _dense(shape, **more):
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["answers"]),
    ]
    values = int(np.prod([side for side in shape[1:] if isinstance(side, int)]))
    return graph_of(nodes, {"weights": np.ones((values, 7), np.float32)}, shape=shape, **more)


@pytest.mark.parametrize(
    ("model", "kind", "says"),
    [
        (_dense(("n", 6, 5, 3)), DataError, r"4 numbers for an image.*gives answers \(7,\)"),
        (_dense(("n", 90)), BundleError, "must have 4 axes.*90"),
        (_dense(("n", 3, 10, 3)), ConfigError, "state --layout"),
        (_dense(("n", 6, 5, 4)), BundleError, "1 or 3 channels at axis 1 or 3"),
        (_dense(("n", "h", "w", 3)), ConfigError, "leaves the height of pixels open.*--size"),
    ],
)
def test_what_does_not_fit_says_why(model, kind, says, colours, tmp_path):
    with pytest.raises(kind, match=says):
        _import(model, colours, tmp_path)


def test_several_inputs_or_fitting_outputs_say_so(colours, tmp_path):
    model = colour_graph()
    model.graph.output.append(helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["n", 4]))
    with pytest.raises(ConfigError, match="state --output"):
        _import(model, colours, tmp_path)
    found = _import(model, colours, tmp_path, Stated(scaling="unit", output="sums"))
    assert found.manifest.parity.differences.keys() == {"logits", "probabilities"}
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n"]))
    with pytest.raises(BundleError, match="takes pixels, mask"):
        _import(model, colours, tmp_path, to="other")


def test_independent_yes_or_no_answers_are_no_classes(colours, tmp_path):
    model = colour_graph()
    model.graph.node[3].CopyFrom(helper.make_node("Sigmoid", ["sums"], ["answers"]))
    with pytest.raises(BundleError, match="ends in a Sigmoid"):
        _import(model, colours, tmp_path)


def test_log_probabilities_are_known(colours, tmp_path):
    model = colour_graph()
    model.graph.node[3].CopyFrom(helper.make_node("LogSoftmax", ["sums"], ["answers"]))
    found = _import(model, colours, tmp_path)
    assert "LogSoftmax, which is taken off" in found.manifest.imported.notes[0]
    assert found.manifest.parity.differences.keys() == {"probabilities"}


def test_a_graph_in_which_no_end_is_known_has_logits_for_features(colours, tmp_path):
    model = colour_graph()
    end = [
        helper.make_node("Exp", ["sums"], ["powers"]),
        helper.make_node("ReduceSum", ["powers", "last"], ["total"]),
        helper.make_node("Div", ["powers", "total"], ["answers"]),
    ]
    del model.graph.node[3]
    model.graph.node.extend(end)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "last"))
    found = _import(model, colours, tmp_path)
    assert found.manifest.outputs == ("logits", "probabilities", "features")
    assert "their logarithm is the logits" in found.manifest.imported.notes[0]
