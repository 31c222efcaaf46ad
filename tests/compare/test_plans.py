"""Studies as they are written, and what is refused."""

from pathlib import Path

import pytest

from eyas.compare.making import plan_comparison, plan_learning_curve
from eyas.compare.plan import check_plan, check_unchanged, load_plan, save_plan
from eyas.compare.studies import STUDIES
from eyas.core.errors import ConfigError, ResumeError

DIGITS = {"data.source": "digits"}


def write(folder: Path, text: str) -> str:
    file = folder / "mine.yaml"
    file.write_text(text)
    return str(file)


def test_the_courses_settings():
    (study,) = plan_comparison("optimizers", DIGITS).studies
    configs = {arm.name: plan_comparison("optimizers", DIGITS).config(arm, "optimizers") for arm in study.arms}
    assert list(configs) == ["SGD_with_momentum", "RMSprop", "Adam"]
    sgd = configs["SGD_with_momentum"].train
    assert (sgd.optimizer, sgd.learning_rate, sgd.momentum) == ("sgd", 0.01, 0.9)
    for config in configs.values():
        train = config.train
        assert (train.epochs, train.batch_size, train.early_stopping, train.reduce_on_plateau) == (5, 128, None, None)
        assert (config.data.val_fraction, config.data.normalize) == (0.1, "unit")
        assert (config.model.hidden, config.model.dropout) == ((512,), 0.2)


def test_equal_arms_are_trained_once():
    plan = plan_comparison("all", DIGITS)
    trainings = plan.trainings()
    assert sum(len(study.arms) for study in STUDIES.values()) == 11
    assert len(trainings) == 9
    (shared,) = [training for training in trainings if len(training.arms) > 1]
    assert shared.arms == (("baseline", "Baseline"), ("optimizers", "Adam"), ("batchnorm", "Without_batch_norm"))
    assert shared.tracked == "Optimizer_Comparison_Adam"


def test_a_grid_is_multiplied_out(tmp_path):
    file = write(
        tmp_path, "grid: {model.dropout: [0.0, 0.2], train.optimizer: [adam, sgd]}\nseeds: [4, 7]\ntarget: 0.9\n"
    )
    plan = plan_comparison(file, DIGITS)
    assert [arm.name for arm in plan.studies[0].arms] == [
        "dropout=0.0 optimizer=adam", "dropout=0.0 optimizer=sgd",
        "dropout=0.2 optimizer=adam", "dropout=0.2 optimizer=sgd",
    ]  # fmt: skip
    assert (plan.seeds, plan.target, plan.name) == ((4, 7), 0.9, "digits-mine")
    assert len(plan.trainings()) == 4


def test_nested_arms_and_settings(tmp_path):
    file = write(tmp_path, "settings: {train: {epochs: 2}}\narms: {a: {model: cnn}, b: {model: {hidden: [8]}}}\n")
    plan = plan_comparison(file, DIGITS)
    a, b = (plan.config(arm, "mine") for arm in plan.studies[0].arms)
    assert (a.model.name, a.train.epochs) == ("cnn", 2)
    assert (b.model.hidden, b.train.early_stopping) == ((8,), None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("arms: {a: {}}", "at least 2 arms to compare, got 1: a"),
        ("arms: {a: {model.hiden: [8]}, b: {}}", r"unknown key model\.hiden in arm a of mine: did you mean model\.hid"),
        ("arms: {a: {train.epochs: -1}, b: {}}", r"arm a of mine: train\.epochs must be greater than 0, got -1"),
        ("arms: {a: {train.seed: 1}, b: {}}", r"arm a of mine must not set train\.seed"),
        ("arms: {a: {train.epochs: 5}, b: {train: {epochs: 5}}}", "arms a and b of mine are the same configuration"),
        ("arm: {a: {}}", "unknown key arm in .*: did you mean arms"),
        ("seeds: 3", "must have either arms or grid, got neither"),
        ("grid: {model.dropout: 0.2}", r"grid key model\.dropout .* must be a list of values, got 0\.2"),
        ("{arms: {a: {}, b: {train.epochs: 1}}, seeds: [1, 1]}", r"different whole numbers .* got \[1, 1\]"),
        ("{arms: {a: {}, b: {train.epochs: 1}}, seeds: many}", "must be a number of seeds or a list"),
        ("{arms: {a: {}, b: {train.epochs: 1}}, target: 90}", r"target must be an accuracy in \(0, 1\], got 90"),
        ("[1, 2]", r"must be key: value pairs, got \[1, 2\]"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_what_a_file_must_not_say(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says):
        check_plan(plan_comparison(write(tmp_path, text), DIGITS))


def test_an_unknown_study():
    with pytest.raises(ConfigError, match="unknown study optimisers: did you mean optimizers"):
        plan_comparison("optimisers", DIGITS)
    with pytest.raises(ConfigError, match=r"cannot read the study nowhere\.yaml: No such file"):
        plan_comparison("nowhere.yaml", DIGITS)


def test_a_plan_comes_back_from_its_file(tmp_path):
    for plan in (plan_comparison("all", DIGITS, seeds=2, target=0.8), plan_learning_curve([0.1, 0.5, 1], DIGITS)):
        save_plan(plan, tmp_path)
        again = load_plan(tmp_path)
        assert again.trainings() == plan.trainings()
        assert (again.seeds, again.target, again.kind) == (plan.seeds, plan.target, plan.kind)


def test_going_on_with_other_settings_is_refused(tmp_path):
    plan = plan_comparison("batchnorm", DIGITS)
    check_unchanged(plan, {"train.epochs": 5}, tmp_path)
    with pytest.raises(ResumeError, match=r"changed settings \(train\.epochs: 5 → 7\)"):
        check_unchanged(plan, {"train.epochs": 7}, tmp_path)
    with pytest.raises(ConfigError, match=r"is not a study \(no study\.yaml"):
        load_plan(tmp_path)


def test_shares_of_a_learning_curve():
    plan = plan_learning_curve([1, 0.25, 0.5], {**DIGITS, "train.epochs": 4})
    assert [t.config.data.train_fraction for t in plan.trainings()] == [0.25, 0.5, 1]
    assert [t.config.train.epochs for t in plan.trainings()] == [16, 8, 4]
    assert plan.trainings()[0].for_seed(2, Path("runs")).data.train_fraction_seed == 2
    with pytest.raises(ConfigError, match="at least 3 different shares"):
        plan_learning_curve([0.5, 1], DIGITS)
