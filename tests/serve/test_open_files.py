"""As many open files as connections need."""

import resource
from collections.abc import Iterator

import pytest

from eyas.serve.processes.open_files import require_files


@pytest.fixture
def few() -> Iterator[int]:
    """Of open files, allowed in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield 256
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_the_limit_is_raised_and_never_lowered(few: int) -> None:
    require_files(few + 50)
    assert limit() == few + 50
    require_files(few)
    assert limit() == few + 50


def test_what_the_system_does_not_allow_is_told(few: int, caplog: pytest.LogCaptureFixture) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("the system allows any number of open files")
    require_files(hard + 1)
    assert limit() == hard
    assert "serve.max_connections" in caplog.text
