"""scikit-learn's contract: its own checks, its searches and validations, and what comes out of a pickle."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

from eyas import Classifier, Dataset

# Why they cannot hold.
EXPECTED = {
    "check_no_attributes_set_in_init": "keywords are parameters too; scikit-learn looks at the signature alone",
    "check_do_not_raise_errors_in_init_or_set_params": "an unknown keyword is refused at once, with the nearest known",
}
SMALL = {"batch_size": 8, "learning_rate": 0.01, "model__hidden": [32], "train__threads": 1, "verbose": False}


class OfRows(Classifier):
    """Takes rows of any numbers as images of 1×F pixels: scikit-learn's checks know no other data."""

    def fit(self, X, y=None):  # noqa: N803
        if y is not None:
            X, y = validate_data(self, X, y)  # noqa: N806
            self._span = X.min(axis=0), X.max(axis=0)
            X = self._pixels(X)  # noqa: N806
        return super().fit(X, y)

    def predict_proba(self, X):  # noqa: N803
        self._fitted()
        return super().predict_proba(self._pixels(validate_data(self, X, reset=False)))

    def _pixels(self, rows):
        low, high = self._span
        return np.clip((rows - low) / np.maximum(high - low, 1e-9), 0, 1)[:, None]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = True, False
        return tags


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def images(digits):
    """500 digits as scikit-learn's users have them: floats and numbers."""
    return digits.train.take(slice(500))[..., 0] / 255, digits.train.labels[:500]


def test_every_check_of_scikit_learn_holds_but_those_that_are_named():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)  # of the array API, which needs a variable
        found = check_estimator(
            OfRows(epochs=4, **SMALL | {"learning_rate": 0.03}), expected_failed_checks=EXPECTED, on_skip=None
        )
    held = [check["check_name"] for check in found if check["status"] == "passed"]
    assert {check["check_name"] for check in found if check["status"] == "xfail"} == EXPECTED.keys()
    assert len(held) >= 50


def test_the_classifier_itself_says_that_it_takes_images():
    with pytest.warns(SkipTestWarning, match="requires input"):  # scikit-learn has no checks of images
        assert check_estimator(Classifier())
    with pytest.raises(ValueError, match=r"images must be \(N, H, W\).*X.reshape"):
        Classifier(**SMALL).fit(np.zeros((20, 64)), np.arange(20) % 2)


def test_it_is_cloned_searched_and_validated(images):
    search = GridSearchCV(Classifier(epochs=4, **SMALL), {"learning_rate": [1e-5, 0.01]}, cv=2).fit(*images)
    assert search.best_params_ == {"learning_rate": 0.01}
    assert search.best_estimator_.run.config().train.learning_rate == 0.01
    copy = clone(search.best_estimator_)
    assert copy.get_params() == search.best_estimator_.get_params()
    assert not hasattr(copy, "classes_")
    invert = FunctionTransformer(lambda pixels: 1 - pixels, check_inverse=False)
    pipeline = make_pipeline(invert, Classifier(epochs=4, **SMALL))
    pipeline.set_params(classifier__model__hidden=[48], classifier__random_state=3)
    scores = cross_val_score(pipeline, *images, cv=2)
    assert scores.mean() > 0.7


def test_a_pickle_is_small_and_answers_the_same_where_its_run_is_gone(images, tmp_path):
    fitted = Classifier(epochs=3, runs_dir=tmp_path / "runs", **SMALL).fit(*images)
    (fitted.run.path / "notes.txt").write_text("of mine" * 10_000)
    content = pickle.dumps(fitted)
    assert len(content) < 40_000  # 2,400 weights of 4 bytes, and the run's text
    weights = (fitted.run.path / "best.pt").read_bytes()
    assert weights in content
    expected = fitted.predict_proba(images[0])
    fitted.run.path.rename(tmp_path / "moved")
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.predict_proba(images[0]), expected)
    assert again.predict(images[0]).dtype == images[1].dtype
    with pytest.raises(Exception, match="not a run folder"):
        assert again.run


def test_the_random_state_decides(images):
    def weights(**state):
        return Classifier(epochs=1, **SMALL, **state).fit(*images).predict_proba(images[0][:5])

    np.testing.assert_array_equal(weights(random_state=1), weights(random_state=1))
    assert not np.array_equal(weights(random_state=1), weights(random_state=2))
    drawn = np.random.RandomState(0)
    assert not np.array_equal(weights(random_state=drawn), weights(random_state=drawn))


def test_labels_come_back_as_they_were_given(images):
    names = np.array(["zero", "one", "two"])
    few = images[1] < 3
    fitted = Classifier(epochs=4, **SMALL).fit(images[0][few], names[images[1][few]])
    assert set(fitted.predict(images[0][few])) <= set(names)
    assert fitted.classes_.tolist() == sorted(names)
    assert fitted.score(images[0][few], names[images[1][few]]) > 0.9
    with pytest.raises(ValueError, match="labels must be of classes_"):
        fitted.score(images[0][few], images[1][few])
    with pytest.raises(ValueError, match="at least 2 classes"):
        Classifier(**SMALL).fit(images[0][:9], np.zeros(9, int))
    for gap in (None, float("nan")):
        for labels in (["zero", "one", gap], np.array(["zero", "one", gap], object)):
            with pytest.raises(ValueError, match=f"all text or all numbers, got {gap} beside text"):
                Classifier(**SMALL).fit(images[0][:3], labels)


def test_arrays_are_split_by_class_and_kept_for_another_look(images):
    fitted = Classifier(epochs=1, random_state=5, data__val_fraction=0.2, **SMALL).fit(*images)
    data = Dataset.of(fitted.run.config().data)
    assert (len(data.train), len(data.val), len(data.test)) == (400, 100, 0)
    assert data.config.seed == 5
    shares = np.bincount(data.val.labels) / np.bincount(images[1])
    assert np.abs(shares - 0.2).max() < 0.03
