"""`eyas import keras`: a saved Keras model becomes a run that every verb takes."""

import json
import re
import zipfile

import h5py
import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from eyas.api.taking_in import take_in
from eyas.cli import app
from eyas.core.config import load_config
from eyas.core.errors import ConfigError, ResumeError
from eyas.core.schema import ExportConfig
from eyas.evaluate import softmax
from eyas.export import export_run
from eyas.nn import load_network, run_network
from eyas.nn.from_keras import read_model
from eyas.nn.from_keras.library import keras_on_torch
from eyas.nn.from_keras.reading import read_saved
from eyas.train import read_result, resume_run, start_run
from support.server import running

keras = keras_on_torch()
L = keras.layers
# Keras's own, where it saves a model under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def eyas(*words):
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return done.output


def _nearest_mean(digits):
    """What is right on nine of ten digits without training, from pixels on [-1, 1]: μ_k · x - |μ_k|² / 2."""
    pixels = digits.train.take(slice(None)).reshape(len(digits.train), -1) / 127.5 - 1
    means = np.stack([pixels[digits.train.labels == k].mean(0) for k in range(10)])
    model = keras.Sequential([L.Input((8, 8, 1)), L.Flatten(), L.Dense(10, activation="softmax")])
    model.layers[-1].set_weights([means.T, -(means**2).sum(1) / 2])
    return model


def _zero():
    """It answers 0, whatever it sees."""
    return keras.Sequential([L.Input((8, 8, 1)), L.Flatten(), L.Dense(10, kernel_initializer="zeros")])


def _plain(model, split):
    """Keras's own answers, from pixels on [-1, 1]."""
    images = split.take(slice(None)).astype(np.float32) / 127.5 - 1
    return model(images, training=False).detach().numpy()


@pytest.fixture(scope="module")
def model(digits):
    return _nearest_mean(digits)


@pytest.fixture(scope="module")
def home(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("home")
    model.save(folder / "model.keras")
    model.save(folder / "old.h5")
    model.save_weights(folder / "w.weights.h5")
    _zero().save(folder / "zero.keras")
    (folder / "model.json").write_text(model.to_json())
    (folder / "builder.py").write_text(
        "import keras\n"
        "def build(input_shape):\n"
        "    layers = [keras.layers.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(10, 'softmax')]\n"
        "    return keras.Sequential(layers)\n"
    )
    return folder


def _take_in(home, source, target, *words, pixels="symmetric", weights=None, names=None, **more):
    words = [
        "data.source=digits",
        f"model=keras:{home / source}",
        *([f"data.normalize={pixels}"] if pixels else []),
        f"runs_dir={target}",
        *words,
    ]
    return take_in(words, None, weights=weights, names=names, names_from="names.txt", target=None, **more)


@pytest.fixture(scope="module")
def taken(home, digits):
    return _take_in(home, "model.keras", home / "runs")


def test_the_run_the_bundle_and_the_service_answer_as_keras(taken, model, digits):
    expected = _plain(model, digits.test)
    network, about = load_network(taken.run)
    np.testing.assert_allclose(softmax(run_network(network, digits.test).logits), expected, atol=1e-5)
    assert (about["epoch"], about["mean"], about["std"]) == (0, [0.5], [0.5])

    bundle = export_run(taken.run, digits, ExportConfig())
    assert bundle.manifest.parity.agreement == 1
    calibrated = softmax(np.log(np.maximum(expected, 1e-37)), bundle.manifest.temperature)
    with running(bundle.path) as server:
        images = digits.test.take(slice(None))[:5, ..., 0].tolist()
        answer = httpx.post(f"{server.url}/predict", json={"data": images, "range": 255}, timeout=30).json()
    np.testing.assert_allclose(answer["probabilities"], calibrated[:5], atol=1e-4)
    assert answer["predictions"] == expected[:5].argmax(1).tolist()


def test_it_is_measured_as_it_came(taken, digits):
    metrics = taken.run.read_metrics()
    assert metrics["val"]["accuracy"] > 0.8
    assert metrics["test"]["accuracy"] > 0.8
    assert taken.forced is None
    assert read_result(taken.run, digits).finished


def test_the_verbs_take_it(taken, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = str(taken.run.path)
    for words, said in (
        (("evaluate", run), "accuracy"),
        (("diagnose", run), "validation error"),
        (("report", run, "--html"), "report-en"),
    ):
        assert said in eyas(*words)


def test_it_is_no_run_to_resume(taken, digits):
    with pytest.raises(ResumeError, match=r"was imported.*eyas train --config .*config.yaml train.start_from="):
        resume_run(taken.run, digits)


@pytest.mark.parametrize(
    ("source", "weights"), [("old.h5", None), ("builder.py:build", "w.weights.h5"), ("model.json", "old.h5")]
)
def test_other_files_give_the_same_network(home, taken, digits, tmp_path, source, weights):
    other = _take_in(home, source, tmp_path, weights=weights and home / weights)
    one, two = (run_network(load_network(run)[0], digits.val).logits for run in (taken.run, other.run))
    np.testing.assert_array_equal(one, two)
    kept = {entry.name for entry in other.run.path.iterdir()}
    assert {"best.pt", "config.yaml", "history.csv", "metrics.json"} < kept


def test_a_better_scaling_is_named_and_must_be_forced(home, tmp_path):
    words = ("import", "keras", str(home / "model.keras"), "--data", "digits", "--to", str(tmp_path / "taken"))
    refused = CliRunner().invoke(app, words)
    said = r"% of 162 validation images with pixels scaled as unit, and clearly on more, .*, with --scaling symmetric"
    assert re.search(said, str(refused.exception))
    assert not (tmp_path / "taken").exists()
    assert "warning: imported by force, although the model is right on" in eyas(*words, "--force")
    told = eyas(*words[:-1], tmp_path / "again", "--scaling", "symmetric")
    assert f"imported {home / 'model.keras'} (650 parameters)" in told
    assert "warning" not in told


@pytest.mark.parametrize(("scaling", "mean"), [("mnist", (0.1307,)), ("standard", "standard"), ("bytes", "bytes")])
def test_a_scaling_has_one_name_whatever_is_imported(home, tmp_path, scaling, mean):
    words = ["data.source=digits", f"model=keras:{home / 'model.keras'}", f"runs_dir={tmp_path}"]
    taken = take_in(words, None, scaling=scaling, weights=None, names=None, names_from="", target=None, force=True)
    assert getattr(taken.config.data.normalize, "mean", taken.config.data.normalize) == mean


def test_a_model_that_answers_by_chance_must_be_forced(home, tmp_path):
    with pytest.raises(ConfigError, match=r"no more than by chance, and no usual scaling does better.*--force"):
        _take_in(home, "zero.keras", tmp_path)


def test_it_can_be_trained_further(home, tmp_path, digits):
    words = ["data.source=digits", f"model=keras:{home / 'model.keras'}", "data.normalize=symmetric"]
    quick = ["train.precision=fp32", "train.epochs=2", f"runs_dir={tmp_path}", "train.learning_rate=1e-4"]
    assert start_run(load_config(None, [*words, *quick]), digits).best.val_accuracy > 0.8


def test_class_names_are_checked(home, tmp_path):
    names = [str(k) for k in range(10)]
    _take_in(home, "model.keras", tmp_path, names=names)
    with pytest.raises(ConfigError, match="calls class 0 '9', and digits calls it '0'; they are the same names"):
        _take_in(home, "model.keras", tmp_path, names=names[::-1])
    with pytest.raises(ConfigError, match="must name the 10 classes of digits, got 3"):
        _take_in(home, "model.keras", tmp_path, names=names[:3])


def test_images_come_at_the_size_of_the_model_and_bytes_to_one_that_scales(tmp_path):
    layers = [L.Input((12, 12, 3)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(10)]
    keras.Sequential(layers).save(tmp_path / "model.keras")
    config = _take_in(tmp_path, "model.keras", tmp_path, pixels=None, force=True).config
    assert (config.data.image_size, config.data.channels, config.data.normalize) == ((12, 12), 3, "bytes")


def test_what_runs_code_is_refused(tmp_path):
    lambda_layer = L.Lambda(lambda x: x * 2, name="twice", output_shape=(8, 8, 1))
    inner = keras.Sequential([L.Input((8, 8, 1)), lambda_layer])
    model = keras.Sequential([L.Input((8, 8, 1)), inner, L.Flatten(), L.Dense(10)])
    for file in ("model.keras", "old.h5"):
        model.save(tmp_path / file)
        with pytest.raises(ConfigError, match=f"{file}: layer 'twice' is a Lambda layer, which runs code"):
            read_saved(tmp_path / file)


class Doubled(L.Layer):
    def call(self, x):
        return x * 2


def test_custom_objects_are_refused(tmp_path):
    model = keras.Sequential([L.Input((8, 8, 1)), Doubled(name="mine"), L.Flatten(), L.Dense(10)])
    for file in ("model.keras", "old.h5"):
        model.save(tmp_path / file)
        with pytest.raises(ConfigError, match=r"old.h5 cannot be read.*Doubled|layer 'mine' is a custom object"):
            read_saved(tmp_path / file)
    with zipfile.ZipFile(tmp_path / "evil.keras", "w") as archive:
        call = {"module": "os", "class_name": "system", "config": {"name": "echo"}, "registered_name": None}
        archive.writestr("config.json", json.dumps(call))
    with pytest.raises(ConfigError, match="layer 'echo' is a custom object"):
        read_saved(tmp_path / "evil.keras")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.keras", None, "no such file"),
        ("text.keras", b"hello", "is not a saved Keras model"),
        ("text.h5", b"hello", "is not a saved Keras model"),
        ("text.json", b"hello", "holds no architecture that can be read"),
    ],
)
def test_no_model_is_told(tmp_path, name, content, said):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_saved(tmp_path / name)


def test_weights_alone_are_told(home):
    with pytest.raises(ConfigError, match=r"weights without an architecture.*--weights w.weights.h5"):
        read_saved(home / "w.weights.h5")
    model = keras.Sequential([L.Input((4,)), L.Dense(10)])
    model.save_weights(home / "other.weights.h5")
    with pytest.raises(ConfigError, match="do not fit"):
        _take_in(home, "builder.py:build", home / "runs", weights=home / "other.weights.h5")
    with pytest.raises(ConfigError, match="without weights; give them with --weights"):
        _take_in(home, "model.json", home / "runs")


def test_what_keras_2_15_wrote_is_read(tmp_path, model, digits):
    """An HDF5 file in its form: `batch_input_shape`, plain dtypes, weights named `kernel:0`."""
    kernel, bias = (np.asarray(weight.detach()) for weight in (w.value for w in model.layers[-1].weights))
    common = {"trainable": True, "dtype": "float32"}
    glorot = {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {"seed": None}}
    zeros = {"module": "keras.initializers", "class_name": "Zeros", "config": {}, "registered_name": None}
    dense = {
        **{"name": "dense", "units": 10, "activation": "softmax", "use_bias": True, "kernel_regularizer": None},
        **{"kernel_initializer": {**glorot, "registered_name": None}, "bias_initializer": zeros},
        **{"bias_regularizer": None, "activity_regularizer": None, "kernel_constraint": None, "bias_constraint": None},
    }
    shape = {"batch_input_shape": [None, 8, 8, 1]}
    first = {"name": "flatten_input", "dtype": "float32", "sparse": False, "ragged": False, **shape}
    layers = [
        {"class_name": "InputLayer", "config": first},
        {"class_name": "Flatten", "config": {"name": "flatten", "data_format": "channels_last", **common, **shape}},
        {"class_name": "Dense", "config": {**dense, **common}},
    ]
    config = {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs.update({"keras_version": "2.15.0", "backend": "tensorflow", "model_config": json.dumps(config)})
        group = file.create_group("model_weights")
        group.attrs.update(
            {"layer_names": [b"flatten", b"dense"], "backend": b"tensorflow", "keras_version": b"2.15.0"}
        )
        group.create_group("flatten").attrs["weight_names"] = np.array([], "S1")
        own = group.create_group("dense")
        own.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        own["dense/kernel:0"], own["dense/bias:0"] = kernel, bias
    taken = _take_in(tmp_path, "old.h5", tmp_path)
    logits = run_network(load_network(taken.run)[0], digits.test).logits
    np.testing.assert_allclose(softmax(logits), _plain(model, digits.test), atol=1e-5)
    assert isinstance(read_model(taken.config.model), keras.Sequential)
