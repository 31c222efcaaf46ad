"""What is said of made numbers whose answer is known."""

import numpy as np
import pytest

from eyas.compare.conclusion import conclude
from eyas.compare.convergence import common_target, speed
from eyas.compare.plan import Arm, Plan, Study
from eyas.compare.results import Trained, compare_study

IMAGES = 2000


def history(curve):
    """An epoch takes 2 s; the rest is filled in."""
    columns = dict.fromkeys(("loss", "accuracy", "val_loss", "learning_rate"), np.full(len(curve), 0.5))
    return {**columns, "val_accuracy": np.array(curve), "seconds": np.full(len(curve), 2.0)}


def arm(name, skill, curve, seeds, rng, hard):
    """Runs that are right on the images that are easier than `skill`, but for a little luck."""

    def right():
        return hard + rng.normal(0, 0.02, (seeds, IMAGES)) < skill

    histories = tuple(history(curve) for _ in range(seeds))
    kept = (len(curve) - 1,) * seeds
    return Trained(name, name, (), None, histories, kept, right(), right())


def study(skills, seeds=3, curves=None, **diverged):
    rng = np.random.default_rng(0)
    hard = rng.random(IMAGES)
    curves = curves or {}
    trained = {n: arm(n, s, curves.get(n, [0.5, 0.6]), seeds, rng, hard) for n, s in skills.items()}
    trained |= {n: Trained(n, n, (), reason) for n, reason in diverged.items()}
    made = Study("made", tuple(Arm(n, {}) for n in trained), "Made")
    return compare_study(made, Plan("compare", "made", {}, (made,), tuple(range(seeds))), trained)


def test_a_clear_winner():
    said = conclude(study({"Slow": 0.80, "Fast": 0.90}, curves={"Fast": [0.7, 0.9], "Slow": [0.3, 0.7]}))
    assert said.startswith("Fast is best: 0.8997, 10.40 points")
    assert "above Slow" in said
    assert "p < 0.001, 3 seeds" in said
    assert "Fast reached 0.7 first in every seed, after 1.0 epochs on average; the other after 2.0." in said
    assert "On the test images, which decided nothing, Fast is ahead too" in said


def test_no_difference():
    result = study({"One": 0.8, "Other": 0.8})
    said = conclude(result)
    assert said.startswith("No difference beyond noise: ")
    assert "is best" not in said
    assert "No arm reached 0.6 before all others in every seed." in said


def test_two_ahead_of_a_third():
    said = conclude(study({"A": 0.9, "B": 0.9, "C": 0.7}))
    assert "is ahead of C:" in said
    assert "there is no difference beyond noise" in said


def test_one_seed_is_too_few():
    said = conclude(study({"A": 0.95, "B": 0.5}, seeds=1))
    assert said.startswith("One seed says nothing of the next")
    assert "--seeds 3" in said
    assert "best:" not in said


def test_an_arm_that_diverged_is_named_and_not_ranked():
    result = study({"A": 0.9, "B": 0.8}, Wild="the loss became nan")
    assert [found.name for found in result.arms] == ["A", "B"]
    assert conclude(result).endswith("Wild diverged.")


def test_ranking_is_by_validation_whatever_the_test_images_say():
    result = study({"A": 0.9, "B": 0.8})
    best = result.arms[0]
    swapped = [
        Trained(a.name, a.name, (), None, a.trained.histories, a.trained.kept, a.trained.val, b.trained.test)
        for a, b in zip(result.arms, result.arms[::-1], strict=True)
    ]
    made = Study("made", (Arm("A", {}), Arm("B", {})), "Made")
    again = compare_study(made, Plan("compare", "made", {}, (made,), (0, 1, 2)), {t.label: t for t in swapped})
    assert again.arms[0].name == best.name == "A"
    assert "On the test images, which decided nothing, B (" in conclude(again)
    assert "is ahead of A" in conclude(again)


def test_epochs_and_seconds_to_a_target():
    curves = [np.array([0.5, 0.8, 0.9]), np.array([0.6, 0.7, 0.75])]
    seconds = [np.array([1.0, 2.0, 3.0])] * 2
    found = speed(curves, seconds, 0.8)
    assert (found.epochs, found.seconds) == ((2, None), (3.0, None))
    assert (found.reached, found.mean_epochs) == (1, None)
    target = common_target(curves)
    assert target == 0.75
    both = speed(curves, seconds, target)
    assert (both.mean_epochs, both.mean_seconds) == (2.5, 4.5)


def test_a_target_is_rounded_down():
    assert common_target([np.array([0.8849, np.nan])]) == pytest.approx(0.88)
