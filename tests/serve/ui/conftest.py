"""One service and one browser for all tests of the page; a tab of its own for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ui_service import feed, page_service

from support.browsing import Tab, open_tab
from support.server import Server

OpenTab = Callable[..., Tab]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="session")
def shown(browser: Any, folder: Path) -> Iterator[Server]:
    """The service that most tests look at: it is not changed but by predictions and labels."""
    with page_service(folder) as server:
        feed(server.url, 60, wrong=6)
        yield server


@pytest.fixture
def tab(browser: Any, shown: Server) -> Iterator[OpenTab]:
    """Opens tabs; at the end none of them may have told an error."""
    opened: list[Tab] = []
    with ExitStack() as stack:

        def open_one(url: str = shown.url, **context: Any) -> Tab:
            opened.append(stack.enter_context(open_tab(browser, url, **context)))
            return opened[-1]

        yield open_one
        assert [error for one in opened for error in one.errors if error not in one.expected] == []
