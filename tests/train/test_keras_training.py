"""Keras models in eyas's own loop: the courses' listings, stopped runs, and what is said of them."""

import signal
import subprocess
import time

import pytest
import torch

from eyas.core.config import load_config
from eyas.core.errors import ConfigError
from eyas.core.runs import RunFolder
from eyas.core.schema import DataConfig
from eyas.data import open_dataset
from eyas.nn import load_network, load_weights
from eyas.train import Remarks, evaluate_run, resume_run, start_run
from support.loaded import loaded_eyas
from support.training import assert_same_weights, weights

FAST = ("data.source=digits", "train.precision=fp32", "train.batch_size=64")

LISTING_3 = """
model = keras.Sequential([
    keras.layers.Dense(512, activation='relu', input_shape=(784,)),
    keras.layers.BatchNormalization(),
    keras.layers.Dropout(0.2),
    keras.layers.Dense(10, activation='softmax')
])
"""
REGULARISED = """
model = keras.Sequential([
    keras.layers.Flatten(input_shape=(28, 28)),
    keras.layers.Dropout(0.2),
    keras.layers.Dense(512, activation='relu', kernel_regularizer=keras.regularizers.l2(0.001)),
    keras.layers.Dropout(0.2),
    keras.layers.Dense(10, activation='softmax')
])
"""
OPTIMISER = """
optimizers = {
    'SGD_with_momentum': keras.optimizers.SGD(learning_rate=0.01,
        momentum=0.9),
    'RMSprop': 'rmsprop',
    'Adam': 'adam'
}
model.compile(optimizer=optimizers['SGD_with_momentum'], loss='sparse_categorical_crossentropy', metrics=['accuracy'])
"""
CNN = """
import keras
from keras import layers

def build(input_shape, classes, width=8):
    return keras.Sequential([
        layers.Input(input_shape),
        layers.RandomTranslation(0.1, 0.1),
        layers.Conv2D(width, 3, padding="same"), layers.BatchNormalization(momentum=0.9), layers.ReLU(),
        layers.SpatialDropout2D(0.1),
        layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(classes, activation="softmax"),
    ])
"""


@pytest.fixture(scope="module")
def large():
    """The digits at the size of MNIST's."""
    return open_dataset(DataConfig(source="digits", image_size=28))


@pytest.mark.parametrize("listing", [LISTING_3, REGULARISED + OPTIMISER], ids=["listing-3", "regularised"])
def test_the_courses_listings_run(tmp_path, large, listing, capsys):
    file = tmp_path / "listing.py"
    file.write_text("import keras\n" + listing)
    words = (*FAST, "data.image_size=28", f"model=keras:{file}:model", f"runs_dir={tmp_path}", "train.epochs=3")
    result = start_run(load_config(None, words), large, [Remarks()])
    file.unlink()
    assert result.run.path.name == "digits-listing-1"
    assert evaluate_run(result.run, large, "test").accuracy > 0.8
    with torch.no_grad():
        assert (float(load_network(result.run)[0].penalty()) > 0) == (listing != LISTING_3)
    told = capsys.readouterr().err
    same = "train.optimizer=sgd train.learning_rate=0.01 train.momentum=0.9"
    assert ("compiled with SGD" in told and same in told) == (listing != LISTING_3)


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(CNN)
    return file


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, source, digits):
    words = (*FAST, f"model=keras:{source}:build", "model.options.width=4", "train.epochs=4", "train.ema=0.9")
    keep = ("train.checkpoint_minutes=0.002", "runs_dir=stopped")
    command = [loaded_eyas(), "train", *words, *keep]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    run, deadline = RunFolder(tmp_path / "stopped" / "digits-mine-1"), time.monotonic() + 60
    while not (run.last.exists() and load_weights(run.last)["position"]["epoch"] >= 1):
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    source.unlink()
    assert load_weights(run.last)["position"]["epoch"] < 4
    result = resume_run(run, digits)
    assert result.finished

    source.write_text(CNN)
    whole = start_run(load_config(None, [*words, keep[0], f"runs_dir={tmp_path}/whole"]), digits)
    assert_same_weights(weights(run, "last.pt"), weights(whole.run, "last.pt"))
    assert_same_weights(weights(run), weights(whole.run))


def test_a_model_that_scales_its_pixels_is_given_bytes(tmp_path, digits, capsys):
    file = tmp_path / "mine.py"
    file.write_text(CNN.replace("layers.RandomTranslation(0.1, 0.1)", "layers.Rescaling(1 / 255)"))
    words = (*FAST, f"model=keras:{file}:build", f"runs_dir={tmp_path}", "train.epochs=1")
    start_run(load_config(None, words), digits, [Remarks()])
    assert "data.normalize=bytes gives it the values 0 to 255" in capsys.readouterr().err
    run = start_run(load_config(None, [*words, "data.normalize=bytes"]), digits, [Remarks()]).run
    assert capsys.readouterr().err == ""
    assert load_weights(run.best)["std"] == [1 / 255]


@pytest.mark.parametrize(
    ("line", "changed", "words", "said"),
    [
        ("Input(input_shape)", "Input((16, 16, 1))", (), r"shape \(8, 8, 1\).*data.image_size=\[16,16\]"),
        ("Dense(classes", "Dense(9", (), r"must give 10 numbers.*got the shape \(9,\)"),
        ("", "", ("data.normalize={mean: [0.5, 0.5], std: [1, 1]}",), "for each of 1 channels, got 2 and 2"),
    ],
)
def test_what_does_not_fit_leaves_no_folder(tmp_path, source, digits, line, changed, words, said):
    source.write_text(CNN.replace(line, changed))
    config = load_config(None, [*FAST, f"model=keras:{source}:build", f"runs_dir={tmp_path}/runs", *words])
    with pytest.raises(ConfigError, match=said):
        start_run(config, digits)
    assert not (tmp_path / "runs").exists()
