"""`Dataset` as a notebook's user opens it."""

import pickle

import numpy as np
import pytest

from eyas import Dataset, open_dataset
from eyas.core.errors import ConfigError, DataError
from eyas.core.schema import DataConfig
from eyas.data.dataset import DataKeys


@pytest.fixture(scope="module")
def arrays(digits):
    """All 1,797 digits: (N, 8, 8) bytes, and their numbers."""
    parts = digits.splits
    return np.concatenate([part.take(slice(None)) for part in parts])[..., 0], np.concatenate(
        [part.labels for part in parts]
    )


def test_a_source_opens_as_by_the_configuration(digits):
    assert Dataset("digits").fingerprint == digits.fingerprint
    larger = Dataset("digits", image_size=(12, 10), val_fraction=0.2)
    assert larger.policy.shape == (12, 10, 1)
    assert open_dataset(larger.config).fingerprint == larger.fingerprint
    assert len(larger) == len(digits) == 1797
    assert repr(digits) == "Dataset('digits': 10 classes, 1,455 train, 162 val, 180 test, 8×8×1)"


def test_its_keys_are_those_of_the_configuration():
    assert DataKeys.__annotations__.keys() == DataConfig.model_fields.keys() - {"source"}
    with pytest.raises(ConfigError, match=r"unknown key image_sise in Dataset.*did you mean image_size"):
        Dataset("digits", image_sise=8)
    with pytest.raises(ConfigError, match=r"^val_fraction must be less than 1, got 2"):
        Dataset("digits", val_fraction=2)
    with pytest.raises(ConfigError, match=r"^resize must be .*got 'data\.5'"):
        Dataset("digits", resize="data.5")


def test_arrays_are_a_dataset_like_any_other(arrays):
    images, labels = arrays
    made = Dataset.from_arrays(images, labels, name="mine")
    assert [len(part) for part in made.splits] == [1455, 162, 180]  # as the digits themselves
    assert Dataset.from_arrays(images / 255, labels, name="mine").fingerprint == made.fingerprint
    assert Dataset(str(made.config.source)).fingerprint == made.fingerprint
    assert Dataset.from_arrays(images, labels, seed=1).fingerprint != made.fingerprint
    assert made.check().ok
    assert made.name == "mine"


def test_floats_become_bytes_by_rounding_however_many_there_are(arrays):
    floats = np.random.default_rng(0).random((2500, 3, 3), np.float32)
    made = Dataset.from_arrays(floats, np.arange(2500) % 2, val_fraction=0, test_fraction=0)
    np.testing.assert_array_equal(made.train.take(slice(None))[..., 0], np.round(floats.astype(np.float64) * 255))


def test_a_pickle_says_where_the_images_are(digits, arrays, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EYAS_CACHE_DIR", "cache")
    made = Dataset.from_arrays(*arrays, test_fraction=0.2)
    content = pickle.dumps([digits, made])
    assert len(content) < 3000
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = pickle.loads(content)
    assert [data.fingerprint for data in again] == [digits.fingerprint, made.fingerprint]


def test_images_themselves_are_no_source(arrays):
    with pytest.raises(ConfigError, match=r"got ndarray; Dataset\.from_arrays\(images, labels\) takes arrays"):
        Dataset(arrays[0])


def test_names_and_splits_may_be_given(arrays):
    images, labels = arrays
    words = [f"number {index}" for index in range(10)]
    named = Dataset.from_arrays(images[:900], labels[:900], classes=words, test=(images[900:], labels[900:]))
    assert named.classes == tuple(words)
    assert len(named.test) == 897
    np.testing.assert_array_equal(named.test.take(slice(None))[..., 0], images[900:])
    texts = Dataset.from_arrays(images, [words[label] for label in labels])
    assert texts.classes == tuple(words)
    colour = Dataset.from_arrays(np.repeat(images[..., None], 3, axis=3), labels)
    assert colour.policy.channels == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, y: (x / 2.0, y), "must be uint8, or floats from 0 to 1, got float64 from 0 to 127.5"),
        (lambda x, y: (x.reshape(len(x), -1), y), r"must be \(N, H, W\).*got \(1797, 64\)"),
        (lambda x, y: (x[:3], y), "train has 3 images but 1,797 labels"),
        (lambda x, y: (x, y + 1), r"labels must be from 0 to 9 \(10 classes\), got 1 to 10"),
        (lambda x, y: (x, y / 2), "labels must be whole numbers or names"),
        (lambda x, y: (x, [f"<{label}>" for label in y]), "labels must be of 0, 1, .*got <0>"),
    ],
)
def test_arrays_that_are_none_are_refused(arrays, change, said):
    with pytest.raises(DataError, match=said):
        Dataset.from_arrays(*change(*arrays), classes=[str(index) for index in range(10)])


def test_a_notebook_shows_images_counts_and_what_is_wrong(arrays, digits):
    page = digits._repr_html_()
    assert page.count("<img ") == 10
    assert "<td>9</td><td" in page
    few = arrays[1] < 2
    twice = (np.concatenate([arrays[0][few]] * 2), np.concatenate([arrays[1][few]] * 2))
    spoilt = Dataset.from_arrays(*twice, classes=["<zero>", "one"])
    assert "leaked-test" in spoilt._repr_html_()
    assert "&lt;zero&gt;" in spoilt._repr_html_()
    assert "leaked-test" in spoilt.check()._repr_html_()
    width, height = digits.show(images=3).size
    assert 3 * 52 < width < 4 * 52
    assert height == 10 * 52
    with pytest.raises(DataError, match="there must be images to show"):
        digits.show(images=0)


def test_class_names_of_a_file_are_read_and_held_to_their_rule(tmp_path, arrays):
    def write(**more):
        np.savez(tmp_path / "some.npz", x_train=arrays[0], y_train=arrays[1], **more)
        return Dataset(tmp_path / "some.npz")

    assert write().classes == tuple("0123456789")
    assert write(class_names=np.array(list("abcdefghij"))).classes == tuple("abcdefghij")
    with pytest.raises(DataError, match="class_names must be text"):
        write(class_names=np.arange(10))
