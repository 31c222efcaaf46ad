"""What every test stands on: a cache of its own, the built-in digits, one browser for all pages."""

from __future__ import annotations

import os
import ssl

import pytest
from httpx._transports import default as transport

from eyas.core.schema import DataConfig
from eyas.data import Dataset, open_dataset
from support.browsing import browser
from support.fuzzing import load_examples
from support.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["browser", "pytest_make_collect_report", "pytest_runtest_makereport"]
load_examples()


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EYAS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def trust():
    """httpx reads the authorities' certificates anew for each client, 27 ms of a core: here once."""
    read, kept = transport.create_ssl_context, list[ssl.SSLContext]()

    def once(verify=True, cert=None, trust_env=True):
        if verify is not True or cert or {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys():
            return read(verify, cert, trust_env)
        if not kept:
            kept.append(read())
        return kept[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "create_ssl_context", once)
        yield


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return open_dataset(DataConfig(source="digits"))
