"""ONNX graphs that are written in ways one would not: old, of 16 bits, for one image alone or never for one."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from eyas.core.errors import BundleError, ConfigError, ParityError
from eyas.core.schema import DataConfig, ExportConfig
from eyas.foreign import Stated, import_model
from eyas.foreign.constants import count_weights
from eyas.infer import Predictor
from support.foreign_models import colour_graph, graph_of, save, write_colours

UNIT = Stated(scaling="unit")


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    return DataConfig(source=str(write_colours(tmp_path_factory.mktemp("colours") / "made")))


@pytest.fixture
def bring(colours, tmp_path):
    def bring(model, stated=UNIT, force=False, **export):
        file = save(model, tmp_path / "model.onnx")
        return import_model(file, "onnx", stated, colours, ExportConfig(**export), tmp_path / "bundle", force=force)

    return bring


def _inserted(at, node, **numbers):
    """The graph of colours with one node more."""
    model = colour_graph()
    model.graph.node.insert(at, node)
    model.graph.node[at + 1].input[0] = node.output[0]
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in numbers.items())
    return model


def test_a_file_from_before_weights_were_apart_is_taken(bring):
    model = colour_graph()
    model.ir_version = 3
    for one in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(one.name, one.data_type, one.dims))
    assert bring(model).manifest.accuracy == 1


def test_a_model_that_fails_on_one_image_is_refused(bring, tmp_path):
    model = _inserted(1, helper.make_node("Squeeze", ["means"], ["bare"]))
    model.graph.node[0].attribute[1].i = 1  # keepdims
    with pytest.raises(BundleError, match="fails on one alone; export it so that it takes one"):
        bring(model)
    assert not (tmp_path / "bundle").exists()


def test_a_model_that_says_any_number_and_holds_one_is_run_for_one(bring):
    shape = np.array([1, 3])
    model = _inserted(1, helper.make_node("Reshape", ["means", "shape"], ["row"]), shape=shape)
    found = bring(model)
    assert found.manifest.accuracy == 1
    assert "1 at a time as it came" in " ".join(found.manifest.imported.notes)
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 5, 3), dtype=np.uint8)
    answers = [Predictor(found).run(some).logits for some in (images, images[:1])]
    np.testing.assert_allclose(answers[0][:1], answers[1], atol=1e-5)


def _half_graph():
    """Filters and weights of 16 bits that mean nothing."""
    random = np.random.default_rng(0)
    filters, out = random.normal(0, 0.2, (64, 3, 3, 3)), random.normal(0, 0.5, (64, 4))
    nodes = [
        helper.make_node("Cast", ["pixels"], ["halves"], to=TensorProto.FLOAT16),
        helper.make_node("Transpose", ["halves"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["first", "filters"], ["noise"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["noise"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "out"], ["answers"]),
    ]
    model = graph_of(nodes, {"filters": filters.astype(np.float16), "out": out.astype(np.float16)})
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def test_a_model_of_16_bits_says_which_tolerance_it_needs(bring):
    with pytest.raises(ParityError, match=r"computes in float16.*export\.tolerance=0\.002") as refused:
        bring(_half_graph(), force=True)
    assert "got a difference of" in str(refused.value)
    found = bring(_half_graph(), force=True, tolerance=0.002)
    assert 1e-4 < max(found.manifest.parity.differences.values()) < found.manifest.parity.tolerance == 0.002


def test_weights_beside_the_model_are_named_with_their_hash(bring, tmp_path):
    model = colour_graph()
    onnx.save(model, tmp_path / "apart.onnx", save_as_external_data=True, location="apart.data", size_threshold=0)
    found = bring(onnx.load(tmp_path / "apart.onnx", load_external_data=False))
    sha256 = hashlib.sha256((tmp_path / "apart.data").read_bytes()).hexdigest()
    assert found.manifest.imported.external == {"apart.data": sha256}
    assert f"weights in apart.data, SHA-256 `{sha256[:16]}" in (found.path / "card.md").read_text()


@pytest.mark.parametrize(("stated", "says"), [({"crop_share": 1e-7}, "at least 0.25"), ({"size": (9000, 8)}, "4,096")])
def test_sizes_beyond_reason_are_refused(stated, says, bring):
    model = colour_graph()
    for axis in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side_{axis}"
    with pytest.raises(ConfigError, match=says):
        bring(model, Stated(scaling="unit", **stated))


def test_weights_are_counted_wherever_they_are():
    plain, constant = colour_graph(), colour_graph()
    weights = constant.graph.initializer.pop(0)
    constant.graph.node.insert(0, helper.make_node("Constant", [], ["weights"], value=weights))
    graphs = (plain.graph, constant.graph)
    assert [count_weights(graph, "sums") for graph in graphs] == [16, 16]
    nodes = [helper.make_node("DequantizeLinear", ["bytes", "step", "zero"], ["weights"])]
    nodes.append(helper.make_node("MatMul", ["pixels", "weights"], ["answers"]))
    numbers = {"bytes": np.ones((3, 4), np.int8), "step": np.array(0.5, np.float32), "zero": np.array(0, np.int8)}
    assert count_weights(graph_of(nodes, numbers).graph, "answers") == 12 + 1
