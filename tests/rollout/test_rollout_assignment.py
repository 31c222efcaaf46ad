"""Arms are kept, and dealt fairly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from eyas.core.errors import ConfigError
from eyas.rollout.assignment import Assignment, new_salt

SALT = "a salt of the tests"
KEYS = [f"user-{number}" for number in range(20_000)]


@given(key=st.text(min_size=1), request=st.text(), another=st.text())
def test_a_key_decides_alone_and_for_good(key: str, request: str, another: str) -> None:
    assert Assignment(SALT).place(key, request) == Assignment(SALT).place(key, another)
    assert 0 <= Assignment(SALT).place(key) < 1


def test_the_place_is_this_one() -> None:
    """A new release, or another worker, must not deal anew."""
    assert Assignment(SALT).place("user-1") == 0.5742417898527865
    assert Assignment(SALT).place("") == Assignment(SALT).place(None)
    assert Assignment(SALT).place("x") != Assignment(SALT).place(None, "x")


def test_places_are_uniform_and_another_salt_deals_anew() -> None:
    one = np.array([Assignment(SALT).place(key) for key in KEYS])
    other = np.array([Assignment("another salt").place(key) for key in KEYS])
    without = np.array([Assignment(SALT).place(None, key) for key in KEYS])
    for places in (one, other, without):
        assert kstest(places, "uniform").pvalue > 0.001
    for first, second in ((one, other), (one, without)):
        together = np.histogram2d(first, second, bins=10, range=[(0, 1)] * 2)[0]
        assert chisquare(together.ravel()).pvalue > 0.001


def test_a_salt_must_be_hard_to_guess() -> None:
    for salt in ("", "short", "x" * 65, "ä" * 33):
        with pytest.raises(ConfigError, match="salt must have 8 to 64 bytes"):
            Assignment(salt)
    assert new_salt() != new_salt()
    assert 0 <= Assignment(new_salt()).place("key") < 1
