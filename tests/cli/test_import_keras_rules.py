"""`eyas import keras`: what the user says goes before what the model says, and a run is read again as it came."""

import numpy as np
import pytest

from eyas.api.taking_in import take_in
from eyas.core.errors import ConfigError
from eyas.nn import load_network, run_network
from eyas.nn.from_keras.library import keras_on_torch

keras = keras_on_torch()
L = keras.layers
# Keras's own, where it saves a model under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

NORMALISED = """
import keras

def build():
    layers = [keras.layers.Input((8, 8, 1)), keras.layers.Normalization(), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
"""
CHANGING = """
import keras, numpy

class Scaled(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.times = float(numpy.random.rand())

    def call(self, x):
        return x * self.times

model = keras.Sequential([Scaled(), keras.layers.Flatten(), keras.layers.Dense(10)])
"""


def _take_in(tmp_path, source, *words, file=None, weights=None, **more):
    words = [*(() if file else ("data.source=digits",)), f"model=keras:{tmp_path / source}", *words]
    words.append(f"runs_dir={tmp_path / 'runs'}")
    return take_in(words, file, weights=weights, names=None, names_from="", target=None, force=True, **more)


def _plain(*layers, shape=(8, 8, 1)):
    return keras.Sequential([L.Input(shape), *layers, L.Flatten(), L.Dense(10)])


def test_a_normalization_is_read_again_as_it_came(tmp_path, digits):
    (tmp_path / "builder.py").write_text(NORMALISED)
    model = _plain(L.Normalization())
    pixels = digits.train.take(slice(None)).astype(np.float32)
    model.layers[0].adapt(pixels)
    model.save_weights(tmp_path / "w.weights.h5")
    run = _take_in(tmp_path, "builder.py:build", weights=tmp_path / "w.weights.h5").run
    logits = run_network(load_network(run)[0], digits.train).logits
    np.testing.assert_allclose(logits, model(pixels, training=False).detach(), atol=1e-4)


def test_a_model_that_does_not_keep_all_in_its_weights_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text(CHANGING)
    with pytest.raises(ConfigError, match=r"mine.py, read again and given the same weights, answers otherwise"):
        _take_in(tmp_path, "mine.py:model", as_built=True)
    assert not (tmp_path / "runs").exists()


def test_what_the_users_file_says_goes_before_what_the_model_says(tmp_path):
    _plain(L.Rescaling(2.0), L.CenterCrop(8, 8), shape=(12, 12, 1)).save(tmp_path / "model.keras")
    file = tmp_path / "mine.yaml"
    file.write_text("data: {source: digits, normalize: symmetric, image_size: 12}\n")
    assert _take_in(tmp_path, "model.keras", file=file).config.data.normalize == "symmetric"
    file.write_text("data: {source: digits, image_size: 10}\n")
    with pytest.raises(ConfigError, match=r"must take images of shape \(10, 10, 1\)"):
        _take_in(tmp_path, "model.keras", file=file)


def test_images_come_grey_to_a_model_that_takes_no_channels(tmp_path):
    _plain(shape=(10, 10)).save(tmp_path / "model.keras")
    data = _take_in(tmp_path, "model.keras").config.data
    assert (data.image_size, data.channels) == ((10, 10), 1)


def test_an_architecture_that_says_no_input_is_opened_again(tmp_path, digits):
    model = keras.Sequential([L.Flatten(), L.Dense(10)])
    (tmp_path / "model.json").write_text(model.to_json())
    model.build((None, 8, 8, 1))
    model.save_weights(tmp_path / "w.weights.h5")
    run = _take_in(tmp_path, "model.json", weights=tmp_path / "w.weights.h5").run
    pixels = digits.test.take(slice(None)) / np.float32(255)
    expected = model(pixels, training=False).detach()
    np.testing.assert_allclose(run_network(load_network(run)[0], digits.test).logits, expected, atol=1e-5)


def test_a_builder_gives_no_trained_weights_unless_it_is_said(tmp_path):
    (tmp_path / "builder.py").write_text(NORMALISED)
    with pytest.raises(ConfigError, match=r"random as a rule.*--weights.*--as-built"):
        _take_in(tmp_path, "builder.py:build")
    assert _take_in(tmp_path, "builder.py:build", as_built=True).run.best.exists()


def test_options_are_for_functions_alone(tmp_path):
    _plain().save(tmp_path / "model.keras")
    with pytest.raises(ConfigError, match=r"model.options are for a function, and model.keras is a model; got width"):
        _take_in(tmp_path, "model.keras", "model.options.width=3")
    (tmp_path / "mine.py").write_text(CHANGING)
    with pytest.raises(ConfigError, match="and model is a model; got width"):
        _take_in(tmp_path, "mine.py:model", "model.options.width=3", as_built=True)


def test_a_file_that_loads_a_compiled_model_is_told(tmp_path):
    model = _plain()
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 8, 8, 1)), np.zeros((2, 10)), verbose=0)
    model.save(tmp_path / "model.keras")
    (tmp_path / "mine.py").write_text(
        f"import keras\nmodel = keras.saving.load_model({str(tmp_path)!r} + '/model.keras')\n"
    )
    with pytest.raises(ConfigError, match=r"load that with compile=False.*keras:model.keras"):
        _take_in(tmp_path, "mine.py:model", as_built=True)
