"""Bundles that are explained."""

import pytest

from eyas.bundle import Bundle
from support.bundles import make_bundle


@pytest.fixture(scope="session")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """8 × 8 × 1."""
    return make_bundle(tmp_path_factory.mktemp("grey") / "bundle")


@pytest.fixture(scope="session")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """32 × 32 × 3."""
    return make_bundle(tmp_path_factory.mktemp("colour") / "bundle", size=(32, 32), channels=3)
