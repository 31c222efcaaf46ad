"""Learning curves drawn by hand, and what is read from them."""

import numpy as np
import pytest

from eyas.diagnose.decomposition import decompose
from eyas.diagnose.epochs import find_phases, of_curves, of_learning_rate
from eyas.diagnose.evidence import Answers, SeedAnswers
from eyas.diagnose.shift import class_shift, separability, thumbnails

TEN = np.full(10, 100)  # images of each class


def _history(loss, val_loss=None, accuracy=None, rate=0.001):
    loss = np.array(loss, float)
    accuracy = 1 - loss / 3 if accuracy is None else np.array(accuracy, float)
    val_loss = loss if val_loss is None else np.array(val_loss, float)
    rates = np.broadcast_to(np.array(rate, float), loss.shape)
    return {
        "epoch": np.arange(1.0, len(loss) + 1),
        "loss": loss,
        "accuracy": accuracy,
        "val_loss": val_loss,
        "val_accuracy": accuracy,
        "learning_rate": rates,
        "seconds": np.ones_like(loss),
    }


def _codes(history, train_error=0.2):
    return [f.code for f in of_curves(history, find_phases(history), train_error, 0.02)]


def test_phases_of_a_curve_that_falls_and_rises():
    history = _history(np.linspace(2, 0.1, 10), [2, 1.5, 1.09, 1.0, 1.02, 1.1, 1.2, 1.3, 1.4, 1.5])
    phases = find_phases(history)
    assert (phases.underfit_until, phases.best, phases.overfit_from) == (2, 4, 5)
    assert _codes(history) == ["overfitting-epochs"]


def test_a_curve_that_still_falls_was_stopped_too_early():
    assert _codes(_history(np.linspace(2, 1, 12))) == ["still-improving"]


def test_a_schedule_that_has_ended_is_no_reason_to_go_on():
    assert _codes(_history(np.linspace(2, 1, 12), rate=np.linspace(0.1, 0.001, 12))) == []


def test_a_loss_that_stands_still_above_what_could_be_reached():
    flat = [2, 1.2, 1.01, *[1.0] * 9]
    assert _codes(_history(flat)) == ["plateau"]
    assert _codes(_history(flat), train_error=0.0) == []


@pytest.mark.parametrize(
    ("loss", "accuracy", "code"),
    [
        ([2.3, 2.3, 2.3, 2.3], [0.1] * 4, "no-learning"),
        ([2.4, 2.9, 2.3, 2.7], [0.11, 0.09, 0.11, 0.1], "no-learning"),
        ([2.0, 1.0, 0.5, 9.0], None, "diverged"),
        ([90.0, 3.0, 2.2, 2.1], None, "diverged"),
        ([2.0, 0.5, 3.0], None, "diverged"),
        ([1.0, 1.5, 0.9, 1.4, 0.8, 1.3], None, "unstable"),
    ],
)
def test_trouble_with_the_learning_rate(loss, accuracy, code):
    assert [f.code for f in of_learning_rate(_history(loss, accuracy=accuracy), TEN)] == [code]


def test_small_losses_that_move_and_rare_classes_are_no_trouble():
    learnt_by_heart = _history([0.6, 0.1, 0.01, 0.001, 0.0021], accuracy=[0.8, 0.97, 1, 1, 1])
    assert list(of_learning_rate(learnt_by_heart, TEN)) == []
    rare = _history([0.45, 0.2, 0.05, 0.02], accuracy=[0.9, 0.98, 0.996, 0.998])
    assert list(of_learning_rate(rare, np.array([995, 5]))) == []


def test_a_smooth_curve_gives_the_learning_rate_no_trouble():
    assert list(of_learning_rate(_history(np.linspace(2, 0.5, 10)), TEN)) == []


def _answers(wrong, images):
    probs = np.tile(np.float32([0.9, 0.1]), (images, 1))
    labels = np.zeros(images, np.int64)
    labels[:wrong] = 1
    return Answers(probs, labels)


def test_the_parts_add_up_and_their_intervals_narrow_with_images():
    widths = []
    for images in (100, 10_000):
        seeds = [SeedAnswers(_answers(images // 20, images), _answers(images // 5, images))]
        parts = decompose(seeds, 0.01, 0.02)
        whole = parts.reference + parts.bias.value + parts.variance.value
        assert whole == pytest.approx(parts.val_error.value) == pytest.approx(0.2)
        assert parts.variance.low < 0.15 < parts.variance.high
        widths.append(parts.variance.high - parts.variance.low)
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.15)  # as the square root of the number of images


def test_the_interval_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        seeds = [SeedAnswers(_answers(10, 1000), _answers(int(generator.binomial(150, 0.1)), 150))]
        val = decompose(seeds, None, 0.02).val_error
        hits += val.low <= 0.1 <= val.high
    assert 180 <= hits <= 199


def test_the_same_images_answered_again_make_no_error_surer():
    one, ten = (decompose([SeedAnswers(_answers(0, 100), _answers(10, 100))] * n, None, 0.02) for n in (1, 10))
    assert ten.val_error.low == pytest.approx(one.val_error.low, abs=0.005)
    assert ten.val_error.high == pytest.approx(one.val_error.high, abs=0.005)


def test_seeds_that_disagree_widen_the_interval():
    alike = [SeedAnswers(_answers(0, 2000), _answers(200, 2000))] * 3
    apart = [SeedAnswers(_answers(0, 2000), _answers(wrong, 2000)) for wrong in (100, 200, 300)]
    one, other = (decompose(seeds, None, 0.02).variance for seeds in (alike, apart))
    assert other.high - other.low > 2 * (one.high - one.low)


def test_thumbnails_are_means_of_cells():
    images = np.zeros((1, 4, 6, 1), np.uint8)
    images[:, :2] = 255
    assert thumbnails(images, side=2).tolist() == [[1, 1, 0, 0]]


def test_two_halves_of_one_pool_cannot_be_told_apart_and_inverted_images_can():
    pool = np.random.default_rng(0).random((400, 64)).astype(np.float32)
    auc, error = separability(pool[:200], pool[200:])
    assert abs(auc - 0.5) < 4 * error
    assert separability(pool[:200] * 0.5, pool[200:])[0] > 0.9
    assert separability(pool[:5], pool[200:]) is None


def test_other_proportions_of_classes_are_noticed():
    assert class_shift(np.array([500, 500]), np.array([50, 50])) == pytest.approx(1)
    assert class_shift(np.array([500, 500]), np.array([90, 10])) < 1e-6
    assert class_shift(np.array([500, 0]), np.array([90, 0])) == 1
