"""Plans say what they mean, and refuse what means nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.core.errors import ConfigError
from eyas.rollout.burn import BurnMeter
from eyas.rollout.plan import RolloutPlan, make_plan, parse_share, parse_stages, percent

VERSIONS = {"champion": "3", "challenger": "4"}


def test_each_mode_has_its_usual_stages() -> None:
    assert make_plan(VERSIONS).stages == (0.01, 0.1, 0.5, 1.0)
    assert make_plan({**VERSIONS, "mode": "ab"}).stages == (0.01, 0.1, 0.5)
    assert make_plan({**VERSIONS, "mode": "shadow"}).stages == (1.0,)
    assert make_plan({**VERSIONS, "stages": [0.2, 1]}).stages == (0.2, 1.0)


def test_a_plan_is_kept_as_json_and_has_a_salt_of_its_own() -> None:
    plan = make_plan(VERSIONS)
    assert RolloutPlan.model_validate_json(plan.model_dump_json()) == plan
    assert plan.salt != make_plan(VERSIONS).salt


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"challenger": "3"}, "a rollout: must have a challenger other than the champion 3"),
        ({"mode": "blue-green"}, "mode must be 'shadow', 'canary' or 'ab', got 'blue-green'"),
        ({"stages": [0.5, 0.1]}, r"stages must be shares that rise, above 0 and up to 1.*got \[0\.5, 0\.1\]"),
        ({"stages": [0.0, 0.1]}, "stages must be shares that rise"),
        ({"mode": "ab", "stages": [0.5, 1]}, "keep some requests for the champion"),
        ({"margin": 1.5}, "margin must be less than 1, got 1.5"),
        ({"alpha": 0}, "alpha must be greater than 0, got 0"),
        ({"salt": "short"}, "salt must be 8 to 64 bytes"),
        ({"champion": "../3"}, "champion .*pattern"),
        ({"treshold": 1}, "unknown key treshold of a rollout; known: mode, champion"),
        (
            {"windows": [{"long_seconds": 10, "short_seconds": 20, "factor": 2}]},
            "windows.0 must have a short window below the long one of 10 s",
        ),
        (
            {
                "windows": [
                    {"long_seconds": 86_400, "short_seconds": 3600, "factor": 2},
                    {"long_seconds": 60, "short_seconds": 5, "factor": 2},
                ]
            },
            "windows must keep the longest below 10,000 times the shortest: 86400 s is too long beside 5 s",
        ),
    ],
)
def test_what_breaks_a_rule_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_plan({**VERSIONS, **changes})


def test_a_version_must_be_given() -> None:
    with pytest.raises(ConfigError, match="challenger of a rollout must be given"):
        make_plan({"champion": "3"})


def test_windows_that_a_plan_takes_can_be_watched() -> None:
    windows = [{"long_seconds": 9999.99, "short_seconds": 1, "factor": 2}]
    plan = make_plan({**VERSIONS, "windows": windows})
    assert BurnMeter(plan.error_budget, plan.windows, plan.least_failures).burns(0)


@pytest.mark.parametrize(
    ("text", "share"), [("5%", 0.05), (" 5 % ", 0.05), ("0.05", 0.05), ("100%", 1), ("0", 0), ("1", 1), ("2.5%", 0.025)]
)
def test_shares_as_people_write_them(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "5", "101%", "-5%", "5%%", "5 per cent", "1e-2", "nan", "1.1", "٥%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--share must be a percentage such as 5%, or a number from 0 to 1, got"):
        parse_share(text, "--share")


@given(st.integers(0, 10_000))
def test_a_written_percentage_is_read_back(hundredths: int) -> None:
    assert parse_share(percent(hundredths / 10_000)) == pytest.approx(hundredths / 10_000)


def test_stages_as_people_write_them() -> None:
    for text in ("1%,10%,50%,100%", "1, 10, 50, 100%", "0.01,0.1,0.5,1"):
        assert parse_stages(text) == pytest.approx((0.01, 0.1, 0.5, 1))
    assert parse_stages("2.5%,50%") == pytest.approx((0.025, 0.5))
    for text in ("10%,1%", "50%,50%", "0%,10%"):
        with pytest.raises(ConfigError, match=f"--stages must be shares that rise.*got '{text}'"):
            parse_stages(text, "--stages")
    with pytest.raises(ConfigError, match=r"each of stages must be a percentage such as 5%.*got '10'"):
        parse_stages("10,50")
