"""What a fitted `Classifier` is asked: in which forms, and that its answers agree with each other."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eyas import Classifier, Dataset, evaluate_run
from eyas.api.labels import LabelsError
from eyas.core.errors import ConfigError, DataError, InputError

SMALL = {"model__hidden": [64], "batch_size": 32, "train__threads": 1, "verbose": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("asking")


@pytest.fixture(scope="module")
def fitted(digits, folder):
    return Classifier("mlp", epochs=4, runs_dir=folder / "runs", **SMALL).fit(digits)


@pytest.fixture(scope="module")
def of_arrays(digits, folder):
    """Of 300 digits as arrays: it has no test images of its own."""
    images = digits.train.take(slice(300))
    return Classifier(epochs=2, runs_dir=folder / "runs", **SMALL).fit(images, digits.train.labels[:300])


@pytest.fixture(scope="module")
def files(digits, folder):
    """Three digits as files."""
    made = []
    for place, pixels in enumerate(digits.test.take(slice(3))):
        made.append(folder / f"{place}.png")
        Image.fromarray(pixels[..., 0]).save(made[-1])
    return made


def test_however_it_is_asked_it_measures_the_same_probabilities(fitted, digits):
    images, labels = digits.test.take(slice(None)), np.array(digits.classes)[digits.test.labels]
    whole, split, given = fitted.evaluate(), fitted.evaluate(digits.test), fitted.evaluate(images, labels)
    truth = fitted.predict_proba(images)[np.arange(180), digits.test.labels]
    assert whole.nll == split.nll == given.nll == pytest.approx(-np.log(truth.astype(np.float64)).mean(), rel=1e-4)
    assert whole.ece == split.ece == given.ece
    assert (whole.split, split.split, given.split) == ("test", "test", "the images given")


def test_the_run_keeps_the_measures_of_the_command_line(fitted, digits):
    found = fitted.evaluate()
    kept = fitted.run.read_metrics()["test"]
    assert kept == evaluate_run(fitted.run, digits, "test", record=False).summary()
    assert kept["nll"] != found.nll  # the run's probabilities are not calibrated


def test_data_are_measured_where_the_run_and_its_own_data_are_gone(fitted, digits, folder):
    expected = fitted.evaluate().nll
    again, path = pickle.loads(pickle.dumps(fitted)), fitted.run.path
    path.rename(folder / "moved")
    try:
        assert again.evaluate(digits).nll == again.evaluate(digits.test).nll == expected
        with pytest.raises(ConfigError, match="not a run folder"):
            again.evaluate()
    finally:
        (folder / "moved").rename(path)


def test_a_run_that_went_on_is_not_told_of_the_network_before(fitted, digits):
    weights, before = fitted.run.best.read_bytes(), fitted.run.metrics.read_bytes()
    fitted.run.best.write_bytes(weights + b" ")
    fitted.evaluate(split="train")
    assert fitted.run.metrics.read_bytes() == before
    fitted.run.best.write_bytes(weights)


def test_a_run_takes_the_temperature_of_its_bundle_without_its_data(digits, folder, tmp_path, monkeypatch, capfd):
    source = tmp_path / "gone.npz"
    np.savez(source, x_train=digits.val.take(slice(None)), y_train=digits.val.labels)
    made = Classifier(epochs=2, runs_dir="runs", **SMALL)
    monkeypatch.chdir(tmp_path)
    expected = made.fit(source).predict_proba(digits.test)
    path = made.export().path.parent
    source.unlink()
    loaded = Classifier.load(path.relative_to(tmp_path))
    monkeypatch.chdir(folder)
    np.testing.assert_array_equal(loaded.predict_proba(digits.test), expected)
    assert not capfd.readouterr().err
    assert loaded.set_params(runs_dir=tmp_path, verbose=False).fit(digits).run.path.parent == tmp_path


def test_an_empty_split_says_what_to_give_instead(of_arrays):
    with pytest.raises(DataError, match=r"is empty: give images and labels, or split='val' or split='train'"):
        of_arrays.evaluate()
    assert of_arrays.evaluate(split="val").images == 30


def test_labels_of_another_number_than_the_images_are_refused(fitted, digits):
    images, labels = digits.test.take(slice(3)), np.array(digits.classes)[digits.test.labels[:1]]
    for ask in (fitted.score, fitted.evaluate):
        with pytest.raises(LabelsError, match="got 3 images and 1 labels"):
            ask(images, labels)


class Series:
    """What pandas gives for a column: no sequence, but an array of objects."""

    def __init__(self, values):
        self._values = np.array(values, object)

    def __array__(self, dtype=None, copy=None):
        return self._values


def test_lists_of_files_come_in_many_forms(fitted, digits, files):
    expected = fitted.predict_proba(digits.test.take(slice(3)))
    texts = list(map(str, files))
    for given in (files, tuple(texts), np.array(texts), np.array(files), Series(texts), Series(files)):
        np.testing.assert_array_equal(fitted.predict_proba(given), expected)
    assert len(fitted.predict([digits.test, digits.val, files[0]])) == 180 + 162 + 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda data: data, r"name one of them, such as data\.test"),
        (lambda data: [data.test.images[0], 3], "each must be a path, one of Pillow's or an array, got 3"),
        (lambda data: {"one": 1}, "images must be an array, a path, .*got {'one': 1}"),
        (lambda data: None, "got None"),
        (lambda data: np.zeros((8, 8)), r"or put one image into a list: \[image\]"),
        (lambda data: np.zeros((8, 8, 1)), r"got \(8, 8, 1\); put one image into a list: \[image\]"),
        (lambda data: np.zeros((16, 16, 3)), r"got \(16, 16, 3\); put one image into a list: \[image\]"),
    ],
)
def test_what_is_no_list_of_images_says_what_it_should_be(fitted, digits, given, said):
    for ask in (fitted.predict, fitted.score):
        with pytest.raises(InputError, match=said):
            ask(given(digits))


def test_files_are_no_arrays_to_learn_from(files):
    for given in (files, np.array(list(map(str, files)))):
        with pytest.raises(InputError, match="for files give it a folder of one folder a class, or a table"):
            Classifier(**SMALL).fit(given, [0, 1, 0])
    assert isinstance(files[0], Path)


def test_keys_of_the_data_hold_for_arrays_too(digits, folder):
    images, labels = digits.train.take(slice(300)), digits.train.labels[:300]
    keys = {"data__test_fraction": 0.2, "data__seed": 3, "random_state": 5}
    made = Classifier(epochs=1, runs_dir=folder / "runs", **keys, **SMALL).fit(images, labels)
    data = Dataset.of(made.run.config().data)
    assert (len(data.test), data.config.seed, made.run.config().train.seed) == (60, 3, 5)
    assert made.evaluate().images == 60
