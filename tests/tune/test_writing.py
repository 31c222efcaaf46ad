"""Spaces from YAML, what is refused before any training, and spaces that nobody wrote."""

from pathlib import Path

import optuna
import pytest
import yaml
from optuna.trial import FixedTrial

from eyas.core.config import load_values
from eyas.core.errors import ConfigError
from eyas.tune.beginning import MOST_SEED, Wishes, check_wishes
from eyas.tune.defaults import default_space
from eyas.tune.distributions import decoded, encoded, labelled, suggest
from eyas.tune.document import _extent
from eyas.tune.points import config_at, point_of, settings_at
from eyas.tune.rungs import MOST_RUNGS
from eyas.tune.samplers import SAMPLERS, make_sampler
from eyas.tune.space import Choice, Float, Int, Space
from eyas.tune.verdict import words
from eyas.tune.writing import corners, parse_space, read_space, to_plain
from tune.conftest import SPACE

BASE = {"model": {"name": "mlp", "hidden": [32]}, "train": {"epochs": 4}}


def test_a_space_is_read_with_the_configuration_s_types():
    space = parse_space(yaml.safe_load(SPACE), BASE, "space.yaml")
    assert list(space) == [
        Choice("train.optimizer", ("adam", "sgd")),
        Float("train.learning_rate", 1e-4, 0.1, log=True),  # YAML reads 1e-4 as text
        Float("train.momentum", 0.0, 0.95, when={"train.optimizer": ("sgd",)}),
        Choice("model.hidden", ([16], [32], [32, 16])),
    ]
    whole = parse_space(
        {"train.batch_size": {"low": 16, "high": 64, "step": 16}, "model.dropout": {"low": 0, "high": 0.5}}, BASE, "f"
    )
    assert list(whole) == [Int("train.batch_size", 16, 64, step=16), Float("model.dropout", 0.0, 0.5)]
    assert parse_space(to_plain(space), BASE, "again").dimensions == space.dimensions


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must have at least one dimension, got none"),
        ("[1]", "must be key: bounds or choices"),
        ("model.dropuot: [0.1]", "did you mean model.dropout"),
        ("model.filters: [[16]]", "belongs to another network than mlp"),
        ("model.dropout: {low: 0.0, high: 1.5}", "model.dropout must be less than 1, got 1.5"),
        ("train.optimizer: [adam, adagrad]", "train.optimizer must be 'adam'"),
        ("train.batch_size: {low: 0, high: 64}", "train.batch_size must be greater than 0, got 0"),
        ("model.dropout: {low: 0.5, high: 0.1}", "low at most high"),
        ("model.dropout: {low: 0.0, high: 0.1, log: true}", "low bound greater than 0"),
        ("model.dropout: {low: 0.1}", "either choices, or low and high, got low"),
        ("model.dropout: {lo: 0.1, high: 0.2}", "did you mean low"),
        ("model.dropout: 0.1", "must be a list of choices, or low and high"),
        ("model.dropout: []", "must be at least one, got none"),
        ("train.epochs: [1, 2]", "must not search train.epochs"),
        ("train.seed: [1, 2]", "must not search train.seed"),
        ("data.val_fraction: [0.1, 0.2]", "must not search data.val_fraction"),
        ("train.optimizer: [adam]\ntrain.momentum: {low: 0, high: 0.9, when: {train.optimizer: sgd}}", "can take"),
        ("train.momentum: {low: 0, high: 0.9, when: {train.optimizer: sgd}}", "a choice that stands before it"),
        (
            "train.optimizer: [adam]\ntrain.momentum: {low: 0, high: 0.9, when: {train.optimizer: []}}",
            "must name a value of train.optimizer, got none",
        ),
        ("train.momentum: {low: 0, high: 0.9, step: .inf}", "must be a finite number, got inf"),
        ("train.momentum: {low: 0, high: 0.9, step: .nan}", "must be a finite number, got nan"),
        ("train.momentum: {low: 0, high: 0.9, step: 0}", "must be positive and finite, not beside log, got 0"),
        ("train.batch_size: {low: 16, high: 64, step: 2.5}", "must be a whole number, got 2.5"),
        ("train.batch_size: {low: 16, high: 64, step: 0.5}", "must be a whole number, got 0.5"),
        ("train.batch_size: {low: 16, high: 64, step: .inf}", "must be a whole number, got inf"),
        ("train.batch_size: {low: 16, high: 64, log: 'no'}", "must be true or false, got 'no'"),
    ],
)
def test_a_space_that_cannot_be_is_refused(tmp_path, text, says):
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_space(tmp_path / "space.yaml", BASE)
    assert says in str(caught.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"cannot read the search space nowhere\.yaml"):
        read_space(Path("nowhere.yaml"), BASE)


def test_keys_that_do_not_matter_have_their_defaults():
    space = parse_space(yaml.safe_load(SPACE), BASE, "f")
    settings = {"model": {"name": "mlp"}, "train": {"optimizer": "sgd", "momentum": 0.9}}
    values = {"train.optimizer": "adam", "train.learning_rate": 0.01, "model.hidden": [16]}
    config = config_at(settings, space, values, "a trial")
    assert (config.train.optimizer, config.train.momentum, config.model.hidden) == ("adam", 0.0, (16,))
    assert settings["train"]["momentum"] == 0.9


def test_another_network_leaves_the_keys_of_the_first():
    text = "model.name: [mlp, cnn]\nmodel.filters: {choices: [[8], [8, 16]], when: {model.name: cnn}}\n"
    space = parse_space(yaml.safe_load(text), BASE, "f")
    assert settings_at(BASE, space, {"model.name": "cnn", "model.filters": [8]})["model"] == {
        "name": "cnn",
        "filters": [8],
    }
    assert settings_at(BASE, space, {"model.name": "mlp"})["model"] == {"name": "mlp", "hidden": [32]}


def test_lists_go_through_optuna_and_back():
    space = Space([Choice("model.hidden", ([16], [32, 16], [])), Choice("x", (1, True, None)), Choice("y", ("a", 2))])
    values = {"model.hidden": [32, 16], "x": True, "y": 2}
    kept = encoded(values, space)
    assert all(value is None or isinstance(value, bool | int | float | str) for value in kept.values())
    assert decoded(kept, space) == values
    assert suggest(FixedTrial(kept), space) == values


@pytest.mark.parametrize(
    "given",
    [
        ("model=mlp",),
        ("model=cnn", "train.optimizer=sgd", "train.momentum=0.99", "train.batch_size=77"),
        ("model=resnet", "train.optimizer=muon", "augment.crop=5", "model.widths=[8, 16]"),
        ("model=wide_resnet", "train.optimizer=rmsprop", "train.learning_rate=0.3", "model.depth=28"),
    ],
)
def test_the_default_space_holds_the_baseline(given):
    config = load_values({}, given, "the test")
    settings = config.model_dump(mode="json", exclude_unset=True)
    space = default_space(settings, (32, 32, 3), 10_000, ())
    values, inside = point_of(config, space)
    assert inside
    again = config_at(settings, space, values, "the baseline")
    assert again.model == config.model
    assert again.augment == config.augment
    assert len(corners(space, settings)) > len(space)
    fixed = default_space(settings, (32, 32, 3), 10_000, ("model", "train.optimizer"))
    assert not {name for name in fixed.dimensions if name.startswith(("model.", "train.optimizer"))}
    with pytest.raises(ConfigError, match="fixes every key of the default space"):
        default_space(settings, (32, 32, 3), 10_000, ("model", "train", "augment"))


@pytest.mark.parametrize(
    ("text", "first", "own"),
    [
        ("model.l2: [0, 0.001]\nmodel.dropout: {low: 0, high: 0.5, when: {model.l2: 0}}", "model.l2", (0.0,)),
        (
            "model.l2: [1e-4, 1e-3]\nmodel.dropout: {low: 0, high: 0.5, when: {model.l2: [1e-4]}}",
            "model.l2",
            (0.0001,),
        ),
    ],
)
def test_conditions_have_the_types_of_the_choice(text, first, own):
    space = parse_space(yaml.safe_load(text), BASE, "f")
    found = space.dimensions["model.dropout"].when[first]
    assert (found, [type(value) for value in found]) == (own, [float])
    assert labelled(space).dimensions["model.dropout"].when[first] == list(own)
    assert set(space.active({first: own[0], "model.dropout": 0.1})) == {first, "model.dropout"}
    assert parse_space(to_plain(space), BASE, "again").dimensions == space.dimensions


def test_one_is_not_true():
    other = Choice("x", (True, False))
    with pytest.raises(ConfigError, match="values that x can take"):
        Space([other, Float("y", 0.0, 1.0, when={"x": (1,)})])
    assert set(Space([other, Float("y", 0.0, 1.0, when={"x": (True,)})]).active({"x": 1, "y": 0.5})) == {"x"}


@pytest.mark.parametrize(
    ("dimension", "step"),
    [
        (Float("augment.translate", 0.0, 4.0, step=1.0), 1.0),
        (Float("augment.translate", 0.0, 4.0), None),
        (Int("train.batch_size", 16, 64), None),
        (Int("train.batch_size", 16, 64, step=2), 2),
    ],
)
def test_a_step_is_written_where_it_leaves_values_out(dimension, step):
    (about,) = to_plain(Space([dimension])).values()
    assert about.get("step") == step
    assert ("in steps of" in _extent(dimension, words("en"))) == (step is not None)


def test_a_whole_step_of_a_real_number_is_read_again():
    space = parse_space({"train.momentum": {"low": 0.0, "high": 0.5, "step": 1}}, BASE, "f")
    assert parse_space(to_plain(space), BASE, "again").dimensions == space.dimensions


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        (Wishes(seed=5_000_000_000, sampler="tpe"), "--seed must be at most 4294967295, got 5000000000"),
        (Wishes(seed=2**32), "--seed must be at most 4294967295, got 4294967296"),
        (Wishes(rungs=MOST_RUNGS + 5), "--rungs must be at most 4, got 9"),
    ],
)
def test_wishes_that_cannot_be_are_refused_at_once(wishes, says):
    with pytest.raises(ConfigError, match=f"^{says}$"):
        check_wishes(wishes)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "cmaes"])  # its library may be missing
def test_the_largest_seed_is_one_of_every_sampler(name):
    check_wishes(Wishes(seed=MOST_SEED, rungs=MOST_RUNGS, sampler=name))
    study = optuna.create_study(sampler=make_sampler(name, MOST_SEED, Space([Float("x", 0.0, 1.0)])))
    assert 0 <= study.ask().suggest_float("x", 0.0, 1.0) <= 1
