"""What is stated of a model is tried on validation images, and what is wrong is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import helper
from typer.testing import CliRunner

from eyas.cli import app
from eyas.core.errors import ConfigError, DataError
from eyas.core.schema import DataConfig, ExportConfig
from eyas.evaluate.chance import is_blind
from eyas.foreign import Stated, import_model, read_classes
from eyas.foreign.checking import check_readings
from eyas.foreign.preprocessing import named_reading
from eyas.infer import Predictor
from support.foreign_models import colour_graph, graph_of, save, write_colours

NAMES = ("blue", "green", "red", "yellow")
TURNED = (2, 0, 3, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_colours(tmp_path_factory.mktemp("colours") / "made")


@pytest.fixture
def bring(folder, tmp_path):
    def bring(model, stated, **more):
        file, data = save(model, tmp_path / "model.onnx"), DataConfig(source=str(folder))
        return import_model(file, "onnx", stated, data, ExportConfig(), tmp_path / "bundle", **more)

    return bring


def test_channels_turned_round_are_found(bring):
    with pytest.raises(ConfigError, match="with --scaling unit --order bgr"):
        bring(colour_graph(bgr=True), Stated(scaling="unit"))
    assert bring(colour_graph(bgr=True), Stated(scaling="unit", bgr=True)).manifest.accuracy == 1


def test_a_wrong_range_is_found_and_can_be_forced(bring):
    with pytest.raises(ConfigError, match=r"clearly on more, 100.0%, with --scaling unit") as refused:
        bring(colour_graph(), Stated(scaling="bytes"))
    assert "--force" in str(refused.value)
    forced = bring(colour_graph(), Stated(scaling="bytes"), force=True)
    assert forced.manifest.imported.notes[-1].startswith("Imported by force")
    assert forced.manifest.metrics["test"]["accuracy"] < 0.9
    assert "Imported by force" in (forced.path / "card.md").read_text()


def test_without_a_scaling_the_usual_ones_are_told(bring):
    with pytest.raises(ConfigError, match=r"state how the model reads pixels.*100.0% by --scaling unit --order rgb"):
        bring(colour_graph(), Stated())


def test_classes_in_another_order_are_found(bring, folder, tmp_path):
    model = colour_graph(order=TURNED)
    with pytest.raises(ConfigError, match="the classes in another order") as refused:
        bring(model, Stated(scaling="unit"))
    found = json.loads(str(refused.value).partition("--classes: ")[2].partition(".")[0])
    assert found == [NAMES[k] for k in TURNED]
    bundle = bring(model, Stated(scaling="unit", classes=tuple(found)))
    assert bundle.classes == NAMES  # the graph's outputs follow the dataset
    assert bundle.manifest.accuracy == 1
    images = np.zeros((4, 6, 5, 3), np.uint8) + (np.array([[51, 76, 204], [51, 178, 76], [204, 51, 51], [204, 178, 51]])
                                                 .astype(np.uint8)[:, None, None])  # fmt: skip
    answers = Predictor(bundle).run(images, cam=True)
    assert answers.classes.tolist() == [0, 1, 2, 3]
    bias = answers.logits - answers.cam.mean(axis=(2, 3))
    np.testing.assert_allclose(bias, np.broadcast_to(bias[:1], bias.shape), atol=1e-4)


def test_a_model_of_other_things_is_told(bring):
    model = colour_graph()
    weights = model.graph.initializer[0]
    weights.raw_data = np.zeros((3, 4), np.float32).tobytes()
    with pytest.raises(ConfigError, match="no more than by chance"):
        bring(model, Stated(scaling="unit"))


def _answers(*parts):
    """Labels and answers of so many images each."""
    return [
        np.repeat(values, [part[2] for part in parts]) for values in zip(*(part[:2] for part in parts), strict=True)
    ]


@pytest.mark.parametrize(
    ("parts", "classes", "blind"),
    [
        ([(0, 0, 243), (0, 1, 4), (1, 1, 7), (1, 0, 2)], 2, False),  # a class of 3.5 %, of which 78 % are right
        ([(0, 0, 1), (1, 1, 1)], 2, False),
        ([(0, 0, 2), (1, 1, 2)], 2, False),
        ([(0, 0, 1)], 2, False),
        ([(0, 0, 200)], 2, False),
        ([(0, 1, 1), (1, 0, 1), (2, 0, 1), (3, 3, 1)], 4, False),  # too few to tell
        ([(0, 0, 64), (1, 0, 64)], 2, True),
        ([(0, 0, 120), (0, 1, 40), (1, 0, 30), (1, 1, 10)], 2, True),  # 65 % right, and each answer as often for either
        ([(0, 0, 40), (0, 1, 24), (1, 0, 24), (1, 1, 40)], 2, False),
    ],
)
def test_only_answers_that_do_not_follow_the_images_are_blind(parts, classes, blind):
    assert is_blind(*_answers(*parts), classes) == blind


def test_the_order_is_found_where_the_classes_take_turns():
    labels, order = np.arange(80) % 4, np.arange(4)
    given = np.eye(4, dtype=np.float32)[np.argsort(TURNED)[labels]]
    check = check_readings(lambda _: given, named_reading("unit", 3), [], order, labels, NAMES)
    assert check.others[0].accuracy == 1
    assert check.found_order() == tuple(NAMES[k] for k in TURNED)


def test_with_many_classes_their_order_is_not_tried(tmp_path):
    random, labels = np.random.default_rng(0), np.arange(3000) % 300
    images = random.integers(0, 256, (3000, 6, 5, 3), dtype=np.uint8)
    np.savez(tmp_path / "many.npz", x_train=images, y_train=labels, x_test=images[:300], y_test=labels[:300])
    nodes = [helper.make_node("Flatten", ["pixels"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["answers"])]
    model = graph_of(nodes, {"w": random.normal(0, 1, (90, 300)).astype(np.float32)})
    data, file = DataConfig(source=str(tmp_path / "many.npz")), save(model, tmp_path / "model.onnx")
    with pytest.raises(
        ConfigError, match=r"no usual range or order of channels does better.*--classes\), which was not"
    ):
        import_model(file, "onnx", Stated(scaling="unit"), data, ExportConfig(), tmp_path / "bundle")


def test_names_that_are_not_the_datas_are_named(bring):
    with pytest.raises(DataError, match="missing: yellow; unknown: pink"):
        bring(colour_graph(), Stated(scaling="unit", classes=("blue", "green", "red", "pink")))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "cat\ndog\n"),
        ("names.json", '["cat", "dog"]'),
        ("names.json", '{"0": "cat", "1": "dog"}'),
        ("names.json", '{"1": ["n02", "dog"], "0": ["n01", "cat"]}'),
        ("names.json", '{"dog": 1, "cat": 0}'),
    ],
)
def test_class_files_of_every_kind(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    assert read_classes(tmp_path / name) == ("cat", "dog")


@pytest.mark.parametrize("text", ['{"0": "cat", "2": "dog"}', "3", '["cat", "cat"]', "{"])
def test_class_files_that_say_no_order_are_refused(text, tmp_path):
    (tmp_path / "names.json").write_text(text)
    with pytest.raises(ConfigError, match="--classes"):
        read_classes(tmp_path / "names.json")


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"scaling": "imagnet"}, "must be one of bytes"),
        ({"scaling": "unit", "mean": (0.5,), "std": (0.5,)}, "leave --mean"),
        ({"mean": (0.5,)}, "together"),
        ({"scaling": "unit", "crop_share": 0}, "--crop-share"),
    ],
)
def test_statements_that_contradict_themselves_are_refused(stated, says):
    with pytest.raises(ConfigError, match=says):
        Stated(**stated)


def test_means_for_bytes_are_refused():
    with pytest.raises(ConfigError, match="divide what is meant for bytes by 255"):
        Stated(mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4)).reading(3)


def test_the_command_makes_a_bundle_that_predicts(folder, tmp_path):
    save(colour_graph(order=TURNED), tmp_path / "tints.onnx")
    (tmp_path / "names.txt").write_text("\n".join(NAMES[k] for k in TURNED))
    words = ["import", "onnx", str(tmp_path / "tints.onnx"), "--data", str(folder), "--mean", "0", "--std", "1"]
    words += ["--classes", str(tmp_path / "names.txt"), "--to", str(tmp_path / "out"), "export.version=1"]
    made = CliRunner().invoke(app, words, catch_exceptions=False)
    assert made.exit_code == 0
    assert "accuracy 100.00% on the test split" in made.output
    told = CliRunner().invoke(app, ["predict", str(tmp_path / "out"), str(next((folder / "red").iterdir()))])
    assert "red" in told.output
    measured = CliRunner().invoke(app, ["evaluate", str(tmp_path / "out"), "--json"])
    assert json.loads(measured.output)["accuracy"] == 1
