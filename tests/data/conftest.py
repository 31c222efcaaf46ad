"""Each test of the data room has a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time, and no deadline: the machine may be busy with other tests.
settings.register_profile("data", derandomize=True, deadline=None)
settings.load_profile("data")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("EYAS_CACHE_DIR", str(folder))
    return folder
