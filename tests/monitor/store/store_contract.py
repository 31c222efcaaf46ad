"""What every store keeps to, whatever its database."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier, Event

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_reading_contract import ReadingContract
from store_samples import NOON, PREDICTION, ids, label, met, prediction, predictions

from eyas.core.errors import InputError, StoreError
from eyas.monitor.store import (
    ARMS,
    Filter,
    Image,
    Prediction,
    PredictionStore,
    Record,
    RefusedRowError,
    Removed,
    Retention,
    StoreWriter,
    open_store,
)

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200)
FLOATS = st.none() | st.floats()
PREDICTIONS = st.builds(
    Prediction,
    id=TEXTS,
    time=st.floats(0, 1e11),
    model=TEXTS,
    version=st.just(""),
    arm=st.sampled_from(ARMS),
    predicted=st.just(0),
    confidence=st.floats(0, 1),
    scores=st.binary(min_size=1, max_size=40).map(lambda part: part * 4),
    needs_review=st.booleans(),
    unknown=st.booleans(),
    energy=FLOATS,
    distance=FLOATS,
    latency_ms=st.floats(0, 1e9),
)
DAY = 86_400.0
EXAMPLES = count()


class StoreContract(ReadingContract):
    """Inherited by the tests of each database."""

    def refuse(self, store: PredictionStore, id_: str) -> None:
        """Let the database refuse every prediction of an id."""
        raise NotImplementedError

    def execute(self, where: str, command: str) -> None:
        """Run SQL past the store."""
        raise NotImplementedError

    def test_a_prediction_comes_back_as_it_was(self, store: PredictionStore) -> None:
        store.write([PREDICTION])
        (found,) = store.by_id("a")
        assert (found.prediction, found.feedback, found.correct, found.has_image) == (PREDICTION, None, None, False)
        np.testing.assert_array_equal(found.prediction.probabilities, np.float32([0.1, 0.7, 0.2]))
        assert store.by_id("b") == ()

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(row=PREDICTIONS)
    def test_every_prediction_comes_back(self, store: PredictionStore, row: Prediction) -> None:
        """NaN as None."""
        row = row._replace(version=f"{next(EXAMPLES)}")  # Hypothesis gives an id again
        store.write([row])
        energy, distance = (None if x is None or np.isnan(x) else x for x in (row.energy, row.distance))
        found = [one.prediction for one in store.by_id(row.id) if one.prediction.version == row.version]
        assert found == [row._replace(energy=energy, distance=distance)]

    def test_an_image_and_its_shadow_share_an_id_and_a_label(self, store: PredictionStore) -> None:
        shadow = prediction(arm="shadow", version="2", predicted=2)
        store.write([shadow, PREDICTION])
        store.write([label(true_class=2)])
        assert [(one.prediction, one.correct) for one in store.by_id("a")] == [(PREDICTION, False), (shadow, True)]

    def test_the_first_row_of_a_key_stays(self, store: PredictionStore) -> None:
        store.write([PREDICTION])
        store.write([prediction(predicted=2), Image("a", NOON, "image/png", b"1")])
        store.write([Image("a", NOON, "image/png", b"2")])
        assert store.by_id("a")[0].prediction == PREDICTION
        assert store.image("a") == Image("a", NOON, "image/png", b"1")
        assert store.by_id("a")[0].has_image
        assert store.image("b") is None

    @pytest.mark.parametrize(
        ("bad", "words"),
        [
            (prediction(scores=b""), "scores must be 1 or more float32, got 0 bytes"),
            (prediction(scores=b"12345"), "scores must be 1 or more float32, got 5 bytes"),
            (prediction(predicted=3), r"predicted must be in \[0, 3\), got 3"),
            (prediction(predicted=-1), r"predicted must be in \[0, 3\), got -1"),
            (prediction(confidence=1.5), r"confidence must be in \[0, 1\], got 1.5"),
            (prediction(time=float("nan")), "time must be a finite number, got nan"),
            (prediction(arm="king"), "arm must be one of champion, challenger, shadow, got 'king'"),
            (prediction(""), "id must be 1 to 200 characters"),
            (prediction("a\0"), "id must be 1 to 200 characters"),
            (prediction("\ud800"), "id must be 1 to 200 characters"),
            (prediction("x" * 201), "id must be 1 to 200 characters"),
            (label(true_class=-1), "true_class must be in"),
            ("a row", "a record must be a prediction, an image or feedback, got str"),
        ],
    )
    def test_a_rule_is_said_and_nothing_is_kept(self, store: PredictionStore, bad: Record, words: str) -> None:
        with pytest.raises(InputError, match=words):
            store.write([prediction("good"), bad])
        assert ids(store) == []

    def test_feedback_that_comes_first_joins_later(self, store: PredictionStore) -> None:
        store.write([label()])
        assert (store.outcomes(), store.last_outcome()) == ((), 0)
        store.write([prediction("b"), PREDICTION])
        assert met(store.outcomes()) == [("a", 1)]
        assert store.by_id("a")[0].feedback == label()

    def test_the_last_word_holds_and_a_repeat_changes_nothing(self, store: PredictionStore) -> None:
        store.write([PREDICTION, prediction("b"), label("b", 0), label(true_class=0)])
        before = store.outcomes()
        store.write([label(true_class=0), label("b", 0)])
        assert store.outcomes() == before
        store.write([label(true_class=2, time=NOON + 61), label(true_class=1, time=NOON + 59)])  # the second came late
        assert store.by_id("a")[0].feedback == label(true_class=2, time=NOON + 61)
        assert met(store.outcomes(after=before[-1].number)) == [("a", 2)]
        assert met(store.outcomes()) == [("b", 0), ("a", 2)]
        assert store.last_outcome() == store.outcomes()[-1].number

    def test_outcomes_are_followed_in_the_order_of_feedback(self, store: PredictionStore) -> None:
        store.write([*predictions(9), *predictions(9, version="2", arm="shadow")])
        order = [4, 2, 7, 0, 8]
        for part in (order[:2], order[2:]):
            store.write([label(str(n), n % 3) for n in part])
        mine = Filter(model="digits", version="2", arm="shadow")
        followed, last = [], 0
        while page := store.outcomes(mine, after=last, most=2):
            followed += page
            last = page[-1].number
        assert met(followed) == [(str(n), n % 3) for n in order]
        assert {(one.version, one.arm, one.predicted, one.confidence) for one in followed} == {("2", "shadow", 1, 0.7)}
        assert followed[0].time == NOON + 4
        assert followed[0].correct
        assert store.outcomes(Filter(version="3")) == ()
        store.write([prediction("late", version="2", arm="shadow"), label("late")])
        assert met(store.outcomes(mine, after=last)) == [("late", 1)]

    def test_what_is_old_goes(self, store: PredictionStore) -> None:
        old = predictions(1200, "old")
        images = [Image(row.id, row.time, "image/png", b"x" * 100) for row in old[:120]]
        store.write([*old, *images, *(label(row.id, time=row.time) for row in old[:700]), label("orphan", time=NOON)])
        now = NOON + 40 * DAY
        young = [prediction("young", time=now - 20 * DAY), prediction("new", time=now - DAY)]
        store.write([*young, *(Image(row.id, row.time, "image/png", b"y") for row in young), label("young")])
        assert store.sweep(Retention(30, image_days=7), now) == Removed(1200, 121, 701)
        assert ids(store) == ["new", "young"]
        assert store.image("young") is None
        assert store.image("new")
        assert met(store.outcomes()) == [("young", 1)]
        assert store.sweep(Retention(30, image_days=7), now) == Removed(0, 0, 0)
        last = store.outcomes()[-1].number
        assert store.sweep(Retention(1 / 24), now).predictions == 2
        store.write([PREDICTION, label()])
        assert store.outcomes()[-1].number > last  # a removed number is not given again

    def test_a_sweep_stops_when_told(self, store: PredictionStore) -> None:
        store.write(predictions(5))
        stop = Event()
        stop.set()
        assert store.sweep(Retention(1), NOON + 10 * DAY, stop) == Removed(0, 0, 0)
        assert len(ids(store)) == 5

    def test_size(self, store: PredictionStore) -> None:
        store.check()
        empty = store.size()
        store.write([Image("a", NOON, "image/png", np.random.default_rng(0).bytes(2**20))])
        assert store.size().total > empty.total + 2**20

    def test_threads_write_and_read_at_once(self, store: PredictionStore) -> None:
        start = Barrier(4)

        def work(name: str) -> None:
            start.wait()
            for row in predictions(20, name):
                store.write([row, label(row.id)])
                assert store.by_id(row.id)[0].correct

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, "abcd"))
        assert len(ids(store)) == 80
        numbers = [outcome.number for outcome in store.outcomes()]
        assert numbers == list(range(numbers[0], numbers[0] + 80))

    def test_processes_write_at_once_and_their_labels_meet(self, where: str, store: PredictionStore) -> None:
        """One writes the predictions and the other, at the same moment, their labels; both make the tables."""
        spawn = multiprocessing.get_context("spawn")
        start = spawn.Barrier(3)
        both = [spawn.Process(target=write_part, args=(where, start, part)) for part in ("predictions", "labels")]
        for process in both:
            process.start()
        start.wait(60)
        seen: list[tuple[str, int]] = []
        last = 0
        while any(process.is_alive() for process in both) or store.outcomes(after=last):
            for outcome in store.outcomes(after=last):
                seen.append((outcome.id, outcome.true_class))
                last = outcome.number
        for process in both:
            process.join(60)
            assert process.exitcode == 0
        assert Counter(seen) == Counter((str(n), 1) for n in range(PART))  # each once, and none passed over

    def test_a_refused_row_keeps_no_other_from_the_store(self, store: PredictionStore) -> None:
        store.check()
        self.refuse(store, "13")
        with pytest.raises(RefusedRowError, match="no luck"):
            store.write(predictions(20))
        assert ids(store) == []
        writer = StoreWriter(store)
        for row in [*predictions(20), prediction("no scores", scores=b"")]:
            writer.put(row)
        state = writer.close()
        assert sorted(ids(store)) == sorted({str(n) for n in range(20)} - {"13"})
        assert (state.predictions, state.dropped, state.waiting, state.failing_since) == (19, {"refused": 2}, 0, None)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ("UPDATE eyas_store SET value = 0", "must have schema 1 or a newer one, got 0: no eyas that was released"),
            ("DELETE FROM eyas_store", "must have schema 1 or a newer one, got 0: no eyas that was released"),
            (
                "UPDATE eyas_store SET value = 99",
                "must have schema 1 or an older one, got 99: a newer eyas wrote it; pip install --upgrade eyas",
            ),
        ],
    )
    def test_another_schema_is_said(self, where: str, store: PredictionStore, change: str, words: str) -> None:
        store.check()
        store.close()
        self.execute(where, f"{change} WHERE name = 'schema'")
        with pytest.raises(StoreError, match=words):
            store.by_id("a")


PART = 150


def write_part(where: str, start: Barrier, part: str) -> None:
    store = open_store(where)
    start.wait(60)
    for n in range(PART):
        store.write([prediction(str(n)) if part == "predictions" else label(str(n))])
    store.close()
