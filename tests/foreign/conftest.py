"""One network for all that is written out and brought back."""

from __future__ import annotations

import pytest

from support.foreign_models import teach


@pytest.fixture(scope="session")
def net(digits):
    return teach(digits)
