"""The pictures of searches, drawn of real Optuna studies whose values are computed instead of trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import log10
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from PIL import Image

from eyas.core.io import write_json
from eyas.tune.configurations import Configuration, configurations, levelled, ranked
from eyas.tune.importance import LEAST, importance
from eyas.tune.ledger import Ledger, create_study
from eyas.tune.pictures import DRAWERS, Scene, draw_or_warn, draw_pictures
from eyas.tune.pictures.particles import chosen
from eyas.tune.pictures.regret import steps
from eyas.tune.pictures.scales import Scale
from eyas.tune.plan import TunePlan
from eyas.tune.records import TrialRecord, best_of
from eyas.tune.samplers import make_sampler
from eyas.tune.space import Choice, Float, Int, Space
from eyas.tune.verdict import words

RATE = Float("train.learning_rate", 1e-4, 1e-1, log=True)
WIDTH = Int("model.width", 1, 8)
KIND = Choice("train.optimizer", ("adam", "sgd"))
MOMENTUM = Float("train.momentum", 0.0, 0.98, when={"train.optimizer": ("sgd",)})
LAYERS = Choice("model.hidden", ([128], [256, 128], None, True, 0.5, "$x^2$"))
MIXED = Space([KIND, RATE, MOMENTUM, WIDTH])
Value = Callable[[Mapping[str, Any], int], float | None]
"""Of a point, trained for so many epochs; None: it fails."""


def by_rate(values: Mapping[str, Any], epochs: int) -> float:
    """The rate decides nearly all of it."""
    off = abs(log10(values.get("train.learning_rate", 1e-3)) + 2.5)
    return 0.9 - 0.2 * off + 0.02 * epochs / 9 - 0.001 * values.get("model.width", 0)


def search(
    space: Space, trials: int, value: Value = by_rate, sampler: str = "swarm", metric: str = "val_accuracy"
) -> tuple[TunePlan, list[TrialRecord]]:
    """Every third configuration goes on to the top rung."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    about: dict[str, Any] = {"settings": {}, "inherit": False, "storage": None, "owner": "me", "fingerprint": "0"}
    plan = TunePlan(
        name="study", space=space, metric=metric, rungs=(1, 3, 9), sampler=sampler, seed=0,
        trials=trials, minutes=None, seeds=(0,), study="study", **about,
    )  # fmt: skip
    storage = InMemoryStorage()
    create_study(storage, plan, join=False)
    ledger = Ledger(storage, plan, make_sampler(sampler, 0, space))
    first = {one.name: one.choices[0] if isinstance(one, Choice) else one.low for one in space}
    base = ledger.begin(space.active(first), baseline=True, rung=2)
    train(ledger, base, plan, value)
    for number in range(1, trials):
        one = ledger.ask(rung=0)
        while train(ledger, one, plan, value) and number % 3 == 0 and one.rung < 2:
            one = ledger.begin(one.params, continues=one.number, rung=one.rung + 1, run=one.run)
    return plan, ledger.records()


def train(ledger: Ledger, one: TrialRecord, plan: TunePlan, value: Value) -> bool:
    until = plan.rungs[one.rung]
    found = value(one.params, until)
    if found is None:
        ledger.fail(one.number, "it diverged", whole=False)
        return False
    after = 0 if one.continues is None else plan.rungs[one.rung - 1]
    for epoch in range(after + 1, until + 1):
        ledger.report(one.number, epoch, value(one.params, epoch) or 0.0)
    ledger.tell(one.number, found, top=one.rung == 2, epochs=until, seconds=float(until - after), whole=True)
    return True


@pytest.fixture(scope="module")
def mixed() -> tuple[TunePlan, list[TrialRecord]]:
    return search(MIXED, 30)


@pytest.fixture(scope="module")
def drawn(mixed, tmp_path_factory) -> tuple[Path, Scene]:
    folder = tmp_path_factory.mktemp("drawn")
    return folder, draw_pictures(folder, *mixed)


def fails_but_once() -> Value:
    first: list[Any] = []

    def value(values: Mapping[str, Any], epochs: int) -> float | None:
        first.append(values) if not first else None
        return 0.5 if values == first[0] else None

    return value


WIDE = Space([*(Float(f"model.arguments.key_{k}", 0.0, 1.0) for k in range(20)), KIND])
ODD: dict[str, tuple[Space, int, Value, str, str]] = {
    "one trial": (MIXED, 1, by_rate, "swarm", "val_accuracy"),
    "all but one fail": (MIXED, 8, fails_but_once(), "swarm", "val_accuracy"),
    "one dimension": (Space([RATE]), 10, by_rate, "swarm", "val_accuracy"),
    "one choice of one": (Space([Choice("train.optimizer", ("adam",))]), 3, by_rate, "random", "val_accuracy"),
    "only choices": (Space([KIND, LAYERS]), 10, by_rate, "tpe", "val_accuracy"),
    "many dimensions": (WIDE, 10, lambda v, _: v["model.arguments.key_0"], "swarm", "val_accuracy"),
    "all the same": (MIXED, 12, lambda *_: 0.5, "random", "val_accuracy"),
    "a loss that explodes": (MIXED, 9, lambda v, e: 10 ** (20 * v["train.learning_rate"]) / e, "swarm", "val_loss"),
    "one value": (Space([Float("model.dropout", 0.3, 0.3), WIDTH]), 10, by_rate, "random", "val_accuracy"),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_searches_have_pictures_too(odd, tmp_path):
    space, trials, value, sampler, metric = ODD[odd]
    plan, records = search(space, trials, value, sampler, metric)
    draw_pictures(tmp_path, plan, records, "fr")
    for name in DRAWERS:
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 200, name


def test_a_search_without_any_trial_has_pictures_and_an_error_is_no_end(mixed, tmp_path, capsys):
    plan, records = mixed
    draw_pictures(tmp_path, plan, [])
    (tmp_path / "file").touch()
    draw_or_warn(tmp_path / "file", plan, records)
    assert "has not all of its pictures" in " ".join(capsys.readouterr().err.split())


def test_trials_that_go_on_are_one_configuration(mixed):
    plan, records = mixed
    found = configurations(records, plan.rungs)
    assert len(found) == 30
    assert [one.number for one in found] == sorted(one.number for one in records if one.continues is None)
    tops = [one for one in found if one.rung == 2]
    assert len(tops) == 1 + 9
    for one in tops:
        assert list(one.values) == [0, 1, 2]  # the baseline's from its curve, the others' from their three trials
        assert one.values[0] == pytest.approx(by_rate(one.params, 1))
        assert one.value == pytest.approx(by_rate(one.params, 9))
        assert one.trial == (0 if one.baseline else one.number + 2)
    first = next(one for one in ranked(found, rising=True) if not one.baseline)
    best = best_of(records, rising=True)
    assert best is not None
    assert (first.trial, first.value) == (best.number, best.value)


def test_values_of_lower_rungs_are_raised_by_what_others_gained():
    found = [
        Configuration(0, {}, None, False, {0: 0.5, 1: 0.7}, 0),
        Configuration(1, {}, None, False, {0: 0.4, 1: 0.8}, 1),
        Configuration(2, {}, None, False, {0: 0.1}, 2),
        Configuration(3, {}, None, False, {}, 3),
    ]
    assert levelled(found) == pytest.approx({0: 0.7, 1: 0.8, 2: 0.1 + 0.3})


def test_the_importance_finds_what_decides(mixed, drawn):
    plan, records = mixed
    found = importance(configurations(records, plan.rungs), plan.space)
    assert next(share.key for share in found.shares) == "train.learning_rate"
    first, *others = found.shares
    assert first.low <= first.median <= first.high
    assert first.low > max(share.high for share in others)
    assert found.configurations == 30
    assert sum(found.rungs.values()) == 30
    assert found == drawn[1].importance


def test_a_key_that_is_active_beside_one_choice_does_not_stand_for_it():
    space = Space([KIND, MOMENTUM, WIDTH])
    plan, records = search(space, 40, lambda v, _: float(v["train.optimizer"] == "sgd"), "random")
    found = {share.key: share for share in importance(configurations(records, plan.rungs), space).shares}
    assert found["train.optimizer"].low > 0.9
    assert found["train.momentum"].high < 0.05


def test_too_few_configurations_say_nothing(tmp_path):
    plan, records = search(MIXED, LEAST - 1)
    scene = draw_pictures(tmp_path, plan, records)
    said = json.loads((tmp_path / "importance.json").read_text())
    assert not scene.importance.known
    assert (said["known"], said["configurations"], said["shares"]) == (False, LEAST - 1, [])
    assert scene.importance.order(MIXED) == list(MIXED.dimensions)


def test_the_json_beside_the_picture_has_its_numbers(drawn):
    folder, scene = drawn
    said = json.loads((folder / "importance.json").read_text())
    assert [one["key"] for one in said["shares"]] == [share.key for share in scene.importance.shares]
    assert said["by_rung"] == {"0": 20, "2": 10}
    assert chosen(scene) == ["train.learning_rate", "model.width"]


def test_only_what_was_trained_to_the_end_is_the_best_so_far(mixed):
    _plan, records = mixed
    done = steps(records, 2)
    assert len(done) == len(records)
    assert [one.seconds for one in done] == sorted(one.seconds for one in done)
    assert done[-1].seconds == sum(one.seconds for one in records) == 9 + 29 + 9 * 8
    assert sum(one.counts for one in done) == 9
    assert done[0].value is None  # the baseline is a line of its own


def test_records_come_back_from_the_results(mixed, tmp_path):
    _, records = mixed
    write_json(tmp_path / "trials.json", [one.to_json() for one in records])
    again = [TrialRecord.from_json(one) for one in json.loads((tmp_path / "trials.json").read_text())]
    assert again == records


@pytest.mark.parametrize(
    ("dimension", "value", "place"),
    [
        (RATE, 1e-4, 0.0),
        (RATE, 1e-2, 2 / 3),
        (WIDTH, 8, 1.0),
        (KIND, "sgd", 1.0),
        (LAYERS, True, 0.6),
        (WIDTH, 99, 1.0),
    ],
)
def test_values_have_places(dimension, value, place):
    assert Scale(dimension, words("en")).place(value) == pytest.approx(place)


def test_ticks_say_the_bounds_and_do_not_meet():
    ticks = Scale(Float("model.dropout", 0.0, 0.57), words("fr")).ticks()
    assert [label for _, label in ticks] == ["0", "0,15", "0,3", "0,45", "0,57"]
    labels: Sequence[str] = [label for _, label in Scale(RATE, words("en")).ticks()]
    assert labels == ["0.0001", "0.001", "0.01", "0.1"]
    assert [label for _, label in Scale(LAYERS, words("en")).ticks()][:3] == ["128", "256, 128", "null"]


def test_both_languages_have_the_same_phrases_with_the_same_values():
    english, french = words("en"), words("fr")
    assert english.keys() == french.keys()
    for key in english.keys():  # noqa: SIM118 - a method, not a dict's
        assert english.fields(key) == french.fields(key), key


def test_rungs_are_words(mixed):
    scene = Scene(*mixed, "en")
    assert scene.rung(0) == "rung 1 of 3 (1 epoch)"
    assert scene.rung(2) == "rung 3 of 3 (9 epochs)"
