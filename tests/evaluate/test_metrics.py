from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from eyas.core.errors import DataError
from eyas.evaluate import Evaluation, confusion_matrix, evaluate, softmax


def made(n: int, k: int, seed: int = 0, signal: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), labels] += signal
    return softmax(logits), labels


def names(k: int) -> list[str]:
    return [f"class {i}" for i in range(k)]


@st.composite
def cases(draw: st.DrawFn) -> Evaluation:
    n, k = draw(st.integers(1, 40)), draw(st.integers(2, 8))
    probs, labels = made(n, k, seed=draw(st.integers(0, 2**31)), signal=draw(st.floats(-3, 6)))
    return evaluate(probs, labels, names(k), resamples=5)


@pytest.mark.parametrize(("n", "k"), [(500, 2), (900, 10), (2000, 100)])
def test_agrees_with_scikit_learn(n: int, k: int) -> None:
    probs, labels = made(n, k)
    found, predicted, every = evaluate(probs, labels, names(k), resamples=2), probs.argmax(axis=1), range(k)
    assert found.accuracy == pytest.approx(peer.accuracy_score(labels, predicted))
    assert found.nll == pytest.approx(peer.log_loss(labels, probs, labels=every))
    if k > 5:
        assert found.top5 == pytest.approx(peer.top_k_accuracy_score(labels, probs, k=5, labels=every))
    np.testing.assert_array_equal(found.confusion, peer.confusion_matrix(labels, predicted, labels=every))
    theirs = peer.precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    for mine, their in zip((found.precision, found.recall, found.f1, found.support), theirs, strict=True):
        np.testing.assert_allclose(mine, their)
    for average, mine in (("macro", found.macro), ("weighted", found.weighted)):
        their = peer.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
        np.testing.assert_allclose((mine.precision, mine.recall, mine.f1), their[:3])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases())
def test_invariants(found: Evaluation) -> None:
    assert found.confusion.sum() == found.images == found.bins.counts.sum() == found.support.sum()
    assert found.accuracy == pytest.approx(np.trace(found.confusion) / found.images)
    assert found.weighted.recall == pytest.approx(found.accuracy)
    assert 0 <= found.accuracy <= found.top5 <= 1
    assert found.macro.f1 == pytest.approx(found.f1[found.support > 0].mean())
    assert found.nll >= 0
    assert 0 <= found.ece <= 1
    for name in ("accuracy", "top5", "macro_f1", "ece"):
        low, high = found.intervals[name]
        assert 0 <= low <= high <= 1
    json.dumps(found.to_json(), allow_nan=False)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(2, 8), st.integers(0, 2**31))
def test_the_order_of_images_and_of_classes_does_not_matter(n: int, k: int, seed: int) -> None:
    probs, labels = made(n, k, seed)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(n), rng.permutation(k)
    first = evaluate(probs, labels, names(k), resamples=1)
    moved = evaluate(probs[rows][:, columns], np.argsort(columns)[labels[rows]], names(k), resamples=1)
    for name in ("accuracy", "top5", "nll", "ece", "macro", "weighted"):
        np.testing.assert_allclose(*(np.array(_numbers(getattr(e, name))) for e in (first, moved)))
    np.testing.assert_array_equal(first.confusion[columns][:, columns], moved.confusion)


def _numbers(value: object) -> object:
    return list(value.to_json().values()) if hasattr(value, "to_json") else value


def test_a_class_never_predicted_and_a_class_without_images() -> None:
    probs = np.array([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.2, 0.1, 0.7]])
    found = evaluate(probs, np.array([0, 1, 0]), names(3), resamples=10)
    np.testing.assert_allclose(found.precision, [0.5, 0, 0])  # class 1 is never predicted, class 2 only wrongly
    np.testing.assert_allclose(found.recall, [0.5, 0, 0])
    np.testing.assert_allclose(found.f1, [0.5, 0, 0])
    assert found.support.tolist() == [2, 1, 0]
    assert found.macro.f1 == pytest.approx(0.25)  # over classes 0 and 1


def test_one_image_and_two_classes() -> None:
    found = evaluate(np.array([[0.25, 0.75]], np.float32), np.array([1]), names(2), resamples=3)
    assert (found.accuracy, found.top5, found.macro.f1) == (1, 1, 1)
    assert found.ece == pytest.approx(0.25)
    assert found.intervals["nll"] == pytest.approx((-np.log(0.75),) * 2)


def test_the_first_of_equals_is_predicted_and_ranks_follow_it() -> None:
    found = evaluate(np.full((10, 10), 0.1), np.arange(10), names(10), resamples=1)
    assert (found.accuracy, found.top5) == (0.1, 0.5)


def test_a_certain_mistake_costs_a_finite_loss() -> None:
    found = evaluate(np.array([[1.0, 0.0]], np.float32), np.array([1]), names(2), resamples=1)
    assert found.nll == pytest.approx(-np.log(1e-12))


def test_ece_by_hand() -> None:
    probs = np.array([[0.95, 0.05], [0.95, 0.05], [0.6, 0.4], [0.6, 0.4]])
    found = evaluate(probs, np.array([0, 1, 0, 0]), names(2), resamples=1)
    assert found.ece == pytest.approx(0.5 * abs(0.5 - 0.95) + 0.5 * abs(1 - 0.6))
    assert found.bins.counts[[8, 14]].tolist() == [2, 2]  # 0.6 is the right edge of bin 8
    assert np.isnan(found.bins.accuracy[0])


def test_the_same_seed_gives_the_same_intervals_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    probs, labels = made(50, 4)
    first = evaluate(probs, labels, names(4), resamples=100, seed=5).intervals
    monkeypatch.setattr("eyas.evaluate.bootstrap.CHUNK", 333)
    again = evaluate(probs, labels, names(4), resamples=100, seed=5).intervals
    for name, interval in again.items():
        assert interval == pytest.approx(first[name])
    assert evaluate(probs, labels, names(4), resamples=100, seed=6).intervals != first


def test_the_bootstrap_agrees_with_the_metrics_of_resampled_images() -> None:
    probs, labels = made(60, 5, signal=1)
    found = evaluate(probs, labels, names(5), resamples=40, seed=9).intervals
    draws = np.random.default_rng(9).integers(0, 60, (40, 60))
    again = [evaluate(probs[d], labels[d], names(5), resamples=1) for d in draws]
    values = {"accuracy": [e.accuracy for e in again], "top5": [e.top5 for e in again]}
    values |= {"macro_f1": [e.macro.f1 for e in again], "nll": [e.nll for e in again], "ece": [e.ece for e in again]}
    for name, numbers in values.items():
        np.testing.assert_allclose(found[name], np.quantile(numbers, [0.025, 0.975]))


def test_the_interval_covers_the_true_accuracy_and_nll() -> None:
    """200 test sets of 300 images from a model whose true accuracy and NLL are known from 400,000."""
    probs, labels = made(400_000, 5, signal=1.5)
    true_accuracy = (probs.argmax(axis=1) == labels).mean()
    true_nll = -np.log(probs[np.arange(len(labels)), labels]).mean()
    accuracy = nll = 0
    for part in np.arange(200 * 300).reshape(200, 300):
        found = evaluate(probs[part], labels[part], names(5), resamples=300).intervals
        accuracy += found["accuracy"].low <= true_accuracy <= found["accuracy"].high
        nll += found["nll"].low <= true_nll <= found["nll"].high
    # Binomial(200, 0.95): 181 or more with probability 0.998; the percentile interval is a little short of 95 %.
    assert accuracy >= 179
    assert nll >= 179


def test_memory_is_bounded_for_ten_thousand_images_of_a_hundred_classes() -> None:
    probs, labels = made(10_000, 100)
    tracemalloc.start()
    evaluate(probs, labels, names(100), resamples=150)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80 * 2**20


def test_confusion_matrix_has_the_truth_in_rows() -> None:
    np.testing.assert_array_equal(confusion_matrix(np.array([0, 0, 1]), np.array([1, 1, 1]), 2), [[0, 2], [0, 1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, y: (p[:, 0], y, 3), r"probabilities must have shape \(N, K\)"),
        (lambda p, y: ((p * 10).astype(int), y, 3), "probabilities must be floating-point"),
        (lambda p, y: (p * np.nan, y, 3), "probabilities must be finite, got .* in row 0"),
        (lambda p, y: (p * 2, y, 3), "sum to 1, got a least value of .* and a sum of 2 in row 0"),
        (lambda p, y: (p - [1, 0, -1], y, 3), "probabilities must be at least 0"),
        (lambda p, y: (p, y[:2], 3), r"labels must have shape \(4,\)"),
        (lambda p, y: (p, y * 1.0, 3), "labels must be integers, got float64"),
        (lambda p, y: (p, y - 1, 3), r"labels must lie in \[0, 2\], got -1 to"),
        (lambda p, y: (p, y, 2), "classes must be 3 names"),
        (lambda p, y: (p[:0], y[:0], 3), "at least 1 image, got 0"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    change: Callable[..., tuple[np.ndarray, np.ndarray, int]], message: str
) -> None:
    probs, labels, k = change(made(4, 3)[0], np.array([0, 1, 2, 1]))
    with pytest.raises(DataError, match=message):
        evaluate(probs, labels, names(k))


def test_no_resamples_is_refused() -> None:
    with pytest.raises(DataError, match="resamples must be at least 1, got 0"):
        evaluate(*made(4, 3), names(3), resamples=0)
