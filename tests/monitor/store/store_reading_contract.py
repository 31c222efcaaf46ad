"""What every store tells of its rows, whatever its database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from store_samples import NOON, label, prediction, predictions

from eyas.core.errors import InputError
from eyas.monitor.store import (
    Bucket,
    ClassAccuracy,
    Confusion,
    Cursor,
    Filter,
    Image,
    PredictionStore,
    Scored,
    VersionTotals,
    open_store,
)
from eyas.monitor.store.reading import OUTCOMES, STORED

NEWEST = f"{STORED} WHERE {{clauses}} ORDER BY p.time DESC, p.number DESC LIMIT 9"


class ReadingContract:
    """Inherited by the contract of each database."""

    @pytest.fixture
    def where(self) -> str:
        """An address with nothing behind it yet."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, where: str) -> Iterator[PredictionStore]:
        opened = open_store(where)
        yield opened
        opened.close()

    def test_pages_hold_every_row_once(self, store: PredictionStore) -> None:
        rows = predictions(10)
        store.write(rows + [prediction(f"same-{n}", time=NOON) for n in range(5)])
        found, older = [], None
        while True:
            page = store.recent(4, older=older)
            found += [one.prediction.id for one in page.rows]
            if not found[4:]:
                store.write([prediction("newer", time=NOON + 99)])  # moves no page
            if page.older is None:
                break
            older = Cursor.parse(str(page.older))
        assert sorted(found) == sorted([row.id for row in rows] + [f"same-{n}" for n in range(5)])
        assert found[:10] == [row.id for row in reversed(rows[1:])] + found[9:10]

    @pytest.mark.parametrize(
        ("where_", "expected"),
        [
            (Filter(), {"a", "b", "c", "d"}),
            (Filter(version="2"), {"d"}),
            (Filter(model="other"), set()),
            (Filter(arm="challenger"), {"d"}),
            (Filter(predicted=0), {"b"}),
            (Filter(true_class=0), {"b", "c"}),
            (Filter(labelled=True), {"a", "b", "c"}),
            (Filter(labelled=False), {"d"}),
            (Filter(correct=True), {"a", "b"}),
            (Filter(correct=False), {"c"}),
            (Filter(needs_review=True), {"c"}),
            (Filter(needs_review=False), {"a", "b", "d"}),
            (Filter(unknown=True, version="2"), {"d"}),
            (Filter(has_image=True), {"a", "d"}),
            (Filter(has_image=False, version="1"), {"b", "c"}),
            (Filter(since=NOON + 1, until=NOON + 3), {"b", "c"}),
            (Filter(labelled=True, needs_review=True, since=NOON + 3), set()),
        ],
    )
    def test_filters(self, store: PredictionStore, where_: Filter, expected: set[str]) -> None:
        store.write(
            [
                prediction("a", time=NOON),
                prediction("b", time=NOON + 1, predicted=0),
                prediction("c", time=NOON + 2, needs_review=True),
                prediction("d", time=NOON + 3, version="2", arm="challenger", unknown=True),
                *(label("a", 1), label("b", 0), label("c", 0)),
                *(Image(name, NOON, "image/png", b"1") for name in ("a", "d")),
            ]
        )
        assert {row.prediction.id for row in store.recent(10, where_).rows} == expected

    @pytest.mark.parametrize("most", [0, 10_001])
    def test_a_page_has_a_bound(self, store: PredictionStore, most: int) -> None:
        with pytest.raises(InputError, match=r"must be in \[1, 10000\]"):
            store.recent(most)
        with pytest.raises(InputError, match=r"must be in \[1, 10000\]"):
            store.outcomes(most=most)

    def test_scores_from_either_end(self, store: PredictionStore) -> None:
        store.write(
            [*predictions(5), prediction("x", version="2", time=NOON + 9, energy=None, unknown=True), label("x", 2)]
        )
        mine = Filter(version="1")
        assert [one.id for one in store.scored(3, mine)] == ["4", "3", "2"]
        assert [one.id for one in store.scored(3, mine, newest=False)] == ["0", "1", "2"]
        (newest,) = store.scored(1)
        assert newest == Scored("x", NOON + 9, 1, 0.7, True, None, 12.25, 2)
        assert newest.unknown is True
        with pytest.raises(InputError, match=r"must be in \[1, 10000\]"):
            store.scored(0)

    def test_totals(self, store: PredictionStore) -> None:
        assert store.totals_by_version() == ()
        other = predictions(3, version="2", arm="shadow", needs_review=True, unknown=True)
        store.write([*predictions(4), *other])
        first, second = (
            VersionTotals("digits", "1", 4, NOON, NOON + 3, 0, 0),
            VersionTotals("digits", "2", 3, NOON, NOON + 2, 3, 3),
        )
        assert store.totals_by_version() == (first, second)
        assert store.totals_by_version(Filter(since=NOON + 3)) == (replace(first, predictions=1, first=NOON + 3),)

    def test_counts_by_time(self, store: PredictionStore) -> None:
        start = NOON - NOON % 3600
        store.write(
            [
                prediction("a", time=start, needs_review=True),
                prediction("b", time=start + 3599.9, confidence=0.5, unknown=True),
                prediction("c", time=start + 7200),
                label("a", 1),
                label("b", 0),
            ]
        )
        first, last = store.buckets(3600)
        assert first == Bucket(start, 2, 1, 1, 2, 1, pytest.approx(0.6))
        assert last == Bucket(start + 7200, 1, 0, 0, 0, 0, pytest.approx(0.7))
        assert store.buckets(3600, most=1) == (last,)
        assert store.buckets(3600, Filter(unknown=True))[0].predictions == 1
        with pytest.raises(InputError, match="above 0"):
            store.buckets(0)

    def test_counts_of_right_and_wrong(self, store: PredictionStore) -> None:
        store.write([*predictions(4), *predictions(4, version="2", arm="shadow", predicted=0)])
        assert store.accuracy_by_class() == store.confusion() == ()
        store.write([label("0", 1), label("1", 1), label("2", 0)])
        assert store.accuracy_by_class() == (ClassAccuracy(0, 2, 1), ClassAccuracy(1, 4, 2))
        one = Filter(version="1")
        assert store.accuracy_by_class(one) == (ClassAccuracy(0, 1, 0), ClassAccuracy(1, 2, 2))
        assert store.confusion(one) == (Confusion(0, 1, 1), Confusion(1, 1, 2))

    def plan(self, store: PredictionStore, sql: str, values: Sequence[object]) -> str:
        """How the database goes about a query, where it may not read a whole table if there is another way."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        ("where_", "index"),
        [
            (Filter(since=NOON), "eyas_by_time"),
            (Filter(version="1"), "eyas_by_version"),
            (Filter(predicted=1), "eyas_by_class"),
            (Filter(needs_review=True), "eyas_to_review"),
            (Filter(unknown=True), "eyas_unknown"),
            (Filter(labelled=True), "eyas_labelled"),
        ],
    )
    def test_a_page_is_read_along_an_index(self, store: PredictionStore, where_: Filter, index: str) -> None:
        store.write(predictions(50))
        clauses, values = where_.clauses()
        assert_along(index, self.plan(store, NEWEST.format(clauses=clauses), values))

    def test_outcomes_are_read_along_an_index(self, store: PredictionStore) -> None:
        store.write([*predictions(50), label("1")])
        clauses, values = Filter(version="1", arm="champion").clauses()
        assert_along("eyas_outcomes", self.plan(store, OUTCOMES.format(clauses=clauses), [0, *values, 9]))


def assert_along(index: str, plan: str) -> None:
    """Without sorting, too."""
    assert f"{index} " in plan, plan
    assert "TEMP B-TREE" not in plan, plan
    assert "Sort" not in plan, plan
