"""What every test stands on: a cache of its own, the built-in digits, and one browser for all pages."""

from __future__ import annotations

import pytest

from eyas.core.schema import DataConfig
from eyas.data import Dataset, open_dataset
from support.browsing import browser
from support.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["browser", "pytest_make_collect_report", "pytest_runtest_makereport"]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EYAS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return open_dataset(DataConfig(source="digits"))
