"""`Classifier` on the digits: each verb of the chain, and what a notebook shows of it."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from time import monotonic

import numpy as np
import pytest
from PIL import Image
from sklearn.exceptions import NotFittedError

from eyas import Classifier, Dataset, evaluate_run
from eyas.api.labels import LabelsError
from eyas.core.config import known_keys
from eyas.core.errors import BundleError, ConfigError, DataError, InputError, TrainingError
from eyas.image import read_image

SMALL = {"model__hidden": [64], "batch_size": 32, "train__threads": 1, "verbose": False}
MODULE = """
from torch import nn
def build(input_shape, classes, width=16):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, classes))
"""

UNGUARDED = """
import sys
from multiprocessing import get_context
if __name__ == "__main__":  # as a search does
    process = get_context("spawn").Process(target=print)
    process.start()
    process.join()
    sys.exit(process.exitcode)
from eyas import Classifier
Classifier().tune("digits")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("classifier")


@pytest.fixture(scope="module")
def fitted(digits, folder):
    return Classifier("mlp", epochs=5, runs_dir=folder / "runs", **SMALL).fit(digits)


@pytest.fixture(scope="module")
def bundle(fitted, folder):
    return fitted.export(folder / "bundle")


@pytest.fixture(scope="module")
def image(digits, folder):
    """A digit as a file, twice as large as the network takes it."""
    file = folder / "digit.png"
    Image.fromarray(digits.test.take(slice(1))[0, ..., 0]).resize((16, 16)).save(file)
    return file


def test_what_is_fitted_is_an_ordinary_run(fitted, digits):
    assert fitted.run.path.name == "digits-mlp-1"
    found = fitted.evaluate()
    assert found.accuracy == evaluate_run(fitted.run, digits, "test", record=False).accuracy > 0.9
    assert fitted.run.read_metrics()["test"]["accuracy"] == found.accuracy == fitted.score(digits.test)
    assert fitted.evaluate(split="val").images == len(digits.val)
    assert len(fitted.history_["val_loss"]) == 5
    assert (fitted.n_features_in_, fitted.classes_.tolist()) == (64, list(digits.classes))


def test_other_images_are_measured_by_their_labels(fitted, digits):
    images, labels = digits.test.take(slice(None)), np.array(digits.classes)[digits.test.labels]
    found = fitted.evaluate(images, labels)
    assert found.accuracy == fitted.score(images, labels) == fitted.score(digits.test)
    assert fitted.evaluate(Dataset("digits", seed=1)).images == 180  # another split of them
    for wrong in ((images,), (None, labels), (digits, labels)):
        with pytest.raises(LabelsError, match="images need them"):
            fitted.evaluate(*wrong)
    with pytest.raises(DataError, match="classes that were learnt, 0, 1, 2, 3, 4…, got one, two"):
        fitted.evaluate(Dataset.from_arrays(images[:40], ["one", "two"] * 20))


def test_data_that_would_spoil_training_are_refused_as_on_the_command_line(digits, tmp_path):
    images, labels = digits.val.take(slice(None)), digits.val.labels
    twice = np.concatenate([images, images]), np.concatenate([labels, labels])
    said = r"these data would spoil training.*stand in another split too.*pass data__force=True"
    with pytest.raises(DataError, match=said):
        Classifier(**SMALL).fit(Dataset.from_arrays(*twice))
    settings = {"epochs": 1, "runs_dir": tmp_path, **SMALL}
    Classifier(**settings).fit(Dataset.from_arrays(*twice, force=True))
    Classifier(**settings).fit(*twice)  # a bootstrap draws images twice


def test_what_is_odd_in_the_data_is_told_and_kept_as_by_the_command_line(digits, tmp_path, capfd):
    images, labels = digits.val.take(slice(None)), digits.val.labels
    rare = Dataset.from_arrays(images, np.where(labels == 9, 8, labels), test=(images[:0], labels[:0]))
    made = Classifier(epochs=1, runs_dir=tmp_path, **SMALL | {"verbose": True}).fit(rare)
    assert "warning: " in capfd.readouterr().err
    assert json.loads(made.run.data_check.read_text())
    made.set_params(verbose=False).fit(rare)
    assert not capfd.readouterr().err


def test_whatever_the_image_comes_as_it_takes_one_way(fitted, digits, image):
    pixels = read_image(image, digits.policy)
    expected = fitted.predict_proba(pixels[None])
    with Image.open(image) as opened:
        array = np.asarray(opened)
        for given in (image, str(image), [image], opened, [array], array[None] / 255, array[None, ..., None]):
            np.testing.assert_array_equal(fitted.predict_proba(given), expected)
    np.testing.assert_allclose(expected.sum(), 1, rtol=1e-6)
    assert fitted.predict(image.parent / "digit.png").tolist() == [digits.classes[expected.argmax()]]
    assert fitted.predict(digits.test.images[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((4, 8, 8)) + 2, "floats from 0 to 1, got float64 from 2 to 2"),
        (np.full((1, 8, 8), np.nan), "floats from 0 to 1, got float64 from nan"),
        (np.zeros((4, 64)), r"X.reshape\(-1, 8, 8\)"),
        ("nowhere.png", "nowhere.png: cannot be read"),
        (["one.txt"], "one.txt"),
    ],
)
def test_what_is_no_image_is_refused(fitted, given, said):
    with pytest.raises(InputError, match=said):
        fitted.predict(given)


def test_one_coloured_image_is_not_taken_for_several(fitted, digits):
    colour = Dataset.from_arrays(np.repeat(digits.val.take(slice(None)), 3, axis=3), digits.val.labels)
    made = Classifier(epochs=1, runs_dir=fitted.run.path.parent, **SMALL).fit(colour)
    with pytest.raises(InputError, match=r"put one image into a list"):
        made.predict(np.zeros((8, 8, 3), np.uint8))
    assert len(made.predict([np.zeros((8, 8, 3), np.uint8)])) == 1
    assert len(made.predict(digits.val)) == len(digits.val)  # grey ones become coloured, as in the service


def test_a_bundle_and_a_run_answer_as_what_was_fitted(fitted, bundle, digits):
    expected = fitted.predict_proba(digits.test)
    exported = Classifier.load(bundle.path)
    np.testing.assert_allclose(exported.predict_proba(digits.test), expected, atol=1e-5)
    assert exported.evaluate().accuracy == fitted.score(digits.test)
    assert exported.explain(digits.test.take(slice(1))[0], seconds=0.5).label in digits.classes
    with pytest.raises(ConfigError, match="is a bundle: its run is not known"):
        exported.export()
    loaded = Classifier.load(fitted.run.path)
    np.testing.assert_array_equal(loaded.predict_proba(digits.test), expected)
    assert loaded.set_params(epochs=1, verbose=False).fit(digits).run.config().model == fitted.run.config().model
    with pytest.raises(BundleError, match="exists already"):
        fitted.export(bundle.path)


def test_a_run_without_its_data_answers_uncalibrated(fitted, digits, folder, capfd):
    source = folder / "gone.npz"
    np.savez(source, x_train=digits.val.take(slice(None)), y_train=digits.val.labels)
    made = Classifier(epochs=2, runs_dir=folder / "runs", **SMALL).fit(source)
    source.unlink()
    loaded = Classifier.load(made.run.path)
    assert "probabilities are not calibrated" in capfd.readouterr().err
    np.testing.assert_array_equal(loaded.predict(digits.test), made.predict(digits.test))


def test_a_network_without_maps_says_so(fitted, digits):
    with pytest.raises(InputError, match="gives no class activation maps"):
        fitted.explain(digits.test.take(slice(1))[0], "cam")


def test_a_run_is_explained_by_gradients_too_and_a_bundle_says_why_not(fitted, bundle, digits):
    pixels = digits.test.take(slice(1))[0]
    again = pickle.loads(pickle.dumps(fitted))
    for method in ("integrated-gradients", "gradient-shap"):
        found = again.explain(pixels, method, label="3", seconds=0.2)
        assert found.probability == again.predict_proba([pixels])[0, 3] == fitted.predict_proba([pixels])[0, 3]
        assert found.sums.delta == pytest.approx(0, abs=0.2 * abs(found.sums.expected))
    with pytest.raises(ConfigError, match="gradients"):
        Classifier.load(bundle.path).explain(pixels, "integrated-gradients")


def test_each_answer_is_shown_as_text_and_as_html(fitted, digits, image):
    measured = fitted.evaluate()
    assert repr(measured).startswith("test: 180 images")
    assert measured._repr_html_().count("<img ") == 1
    assert measured.plot().width > 400
    explained = fitted.explain(image, "occlusion", label="3", seconds=0.5)
    assert repr(explained).startswith("occlusion: 3, ")
    assert explained.map.shape == (8, 8)
    assert "<img " in explained._repr_html_()
    diagnosed = fitted.diagnose()
    assert diagnosed.verdict.code in ("high-bias", "high-variance", "healthy")
    assert "eyas train" in diagnosed._repr_html_()
    assert fitted.plot().width > 400
    assert "runs_dir" in fitted._repr_mimebundle_()["text/html"]
    assert "val_loss" in fitted._repr_html_()
    assert repr(Classifier("cnn", epochs=3)) == "Classifier('cnn', epochs=3)"
    with pytest.raises(ValueError, match="labels must be of classes_"):
        fitted.explain(image, label="x")


def test_a_report_is_one_file(fitted, folder):
    before = fitted.run.read_metrics()
    assert fitted.report(folder / "report.html").read_text().startswith("<!doctype html>")
    assert fitted.run.read_metrics() == before
    with pytest.raises(ConfigError, match=r"a file of \.html or \.pdf"):
        fitted.report(folder / "report.doc")


def test_a_wrong_parameter_is_told_with_the_nearest_right_one(digits):
    for keywords, said in (
        ({"dropout": 0.3}, "unknown parameter dropout.*did you mean model__dropout"),
        ({"train__epoch": 3}, "unknown parameter train__epoch.*did you mean train__epochs"),
        ({"lr": 3}, "did you mean train__learning_rate"),
    ):
        with pytest.raises(ConfigError, match=said):
            Classifier(**keywords)
        with pytest.raises(ConfigError, match=said):
            Classifier().set_params(**keywords)
    with pytest.raises(ConfigError, match=r"export is a method of .*such as export__version"):
        Classifier(export={"version": "1.0"})
    taken = [key for key in known_keys() if "." not in key and hasattr(Classifier, key)]
    assert taken == ["export"]
    for made, said in (
        (Classifier("cnnn"), "model must be mlp, cnn"),
        (Classifier(epochs=-1), "train__epochs must be greater than 0, got -1"),
        (Classifier(epochs=1, train__epochs=2), "are one key"),
        (Classifier(train__momentum=0.9), "train__momentum is for sgd and rmsprop"),
        (Classifier(train={"epoch": 3}), "unknown key train.epoch"),
    ):
        with pytest.raises(ConfigError, match=said):
            made.fit(digits)
    with pytest.raises(NotFittedError):
        Classifier().predict(digits.test)


def test_a_recipe_holds_where_neither_parameters_nor_the_data_say_otherwise(tmp_path, digits):
    made = Classifier("digits", epochs=2, model__widths=[8, 8], runs_dir=tmp_path, verbose=False).fit(digits)
    config = made.run.config()
    assert (config.train.optimizer, config.augment.crop, config.train.epochs) == ("muon", 1, 2)
    file = tmp_path / "mine.yaml"
    file.write_text("data: {image_size: 10, val_fraction: 0.2}\ntrain: {epochs: 1}\n")
    larger = Classifier(str(file), runs_dir=tmp_path, **SMALL).fit("digits")
    assert larger.n_features_in_ == 100
    own = Classifier(str(file), runs_dir=tmp_path, **SMALL).fit(Dataset("digits", image_size=9))
    assert (own.n_features_in_, own.run.config().data.val_fraction) == (81, 0.2)


def test_a_network_of_the_users_own_travels_with_its_pickle(tmp_path, digits):
    source = tmp_path / "mine.py"
    source.write_text(MODULE)
    settings = {"epochs": 1, "runs_dir": tmp_path / "runs", "verbose": False}
    made = Classifier(f"{source}:build", model__options={"width": 12}, **settings).fit(digits)
    expected, content = made.predict_proba(digits.test), pickle.dumps(made)
    source.unlink()
    np.testing.assert_array_equal(pickle.loads(content).predict_proba(digits.test), expected)


def test_ctrl_c_keeps_the_best_so_far(tmp_path, digits):
    def press():
        deadline = monotonic() + 60
        while monotonic() < deadline:
            files = list(tmp_path.glob("*/history.csv"))
            if files and files[0].read_text().count("\n") > 2:
                os.kill(os.getpid(), signal.SIGINT)
                return

    presser = threading.Thread(target=press)
    presser.start()
    settings = {"train__early_stopping": None, "runs_dir": tmp_path}
    stopped = Classifier(epochs=100_000, **settings, **SMALL).fit(digits)
    presser.join()
    assert 2 <= len(stopped.history_["epoch"]) < 1000
    assert stopped.score(digits.test) > 0.3


def test_tuning_leaves_the_classifier_with_the_best_it_found(tmp_path, digits, capfd):
    network = {"name": "mlp", "hidden": [64]}
    begun = Classifier(network, epochs=2, batch_size=32, runs_dir=tmp_path, train__threads=1, verbose=False)
    tuned = begun.tune(digits, trials=2, seeds=1, workers=1)
    best = tuned.tuning_.best
    assert tuned is begun
    assert "trial" not in capfd.readouterr().err
    assert (tuned.epochs, tuned.batch_size, tuned.model) == (2, 32, network)  # given, so they stay
    assert "model__hidden" not in tuned.get_params()
    fitted = tuned.fit(digits)
    config = fitted.run.config()
    assert all(_value(config, key) == value for key, value in best.params.items())
    assert (tuned.tuning_.folder / "optimization_results.json").exists()


def test_what_cannot_be_searched_is_told_in_the_words_of_python(tmp_path, digits):
    made = Classifier(runs_dir=tmp_path, random_state=-1, **SMALL)
    for given, said in (
        ({"trials": 1}, "^trials must be at least 2, got 1"),
        ({"space": str(tmp_path / "space.yaml")}, r"space\.yaml"),
        ({}, "^random_state must be at least 0, got -1"),
    ):
        with pytest.raises(ConfigError, match=said):
            made.tune(digits, **given)
        made.set_params(random_state=0 if "trials" in given else -1)


def test_a_script_without_its_guard_is_not_begun_again_by_its_own_processes(tmp_path):
    script = tmp_path / "plain.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert 'put the calls under `if __name__ == "__main__":`' in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_that_was_stopped_before_an_epoch_cannot_be_loaded(tmp_path, fitted):
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.yaml").write_text(fitted.run.config_file.read_text())
    with pytest.raises(TrainingError, match="has not finished an epoch"):
        Classifier.load(empty)


def _value(config, key):
    for part in key.split("."):
        config = getattr(config, part)
    return list(config) if isinstance(config, tuple) else config
