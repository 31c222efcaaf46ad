"""A real Chromium that looks at a page, and what goes wrong in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 812}
LOOKS = [(scheme, size) for scheme in ("light", "dark") for size in (WIDE, PHONE)]
ABSENT = "there is no {}: apt-get install chromium brings the browser, and `make ui-check` the rest"
ELSEWHERE = "elsewhere.example"  # which these browsers take for this machine
AXE = Path(__file__).parents[2] / "build/ui-check/axe/node_modules/axe-core/axe.min.js"
COLOURS = 255


def chromium() -> str | None:
    """Its path, where the system has one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@dataclass
class Tab:
    """A page of a browser, and what went wrong in it."""

    page: Any
    url: str
    errors: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Errors that a test means to bring about."""

    def go(self, view: str) -> Any:
        """Open a view, and wait until its heading is there."""
        self.page.goto(f"{self.url}/#/{view}")
        self.page.wait_for_selector("main h1")
        return self.page

    def axe(self) -> list[str]:
        """Violations that are serious or critical, each with its rule and where it is."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run({ resultTypes: ['violations'] })")
        return [
            f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]


@contextmanager
def open_browser() -> Iterator[Any]:
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    assert path, ABSENT.format("Chromium")
    arguments = [f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"]
    arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@contextmanager
def open_tab(browser: Any, url: str, *, axe: bool = False, **context: Any) -> Iterator[Tab]:
    """A tab of its own: nothing is shared with another. `axe`: scripts from outside may be put into it."""
    made = browser.new_context(bypass_csp=axe, **({"viewport": WIDE, "locale": "en-GB"} | context))
    tab = Tab(made.new_page(), url)
    tab.page.on("console", lambda one: tab.errors.append(one.text) if one.type in ("error", "warning") else None)
    tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.page.set_default_timeout(15_000)
    yield tab
    made.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if chromium() is None:
        pytest.skip(ABSENT.format("Chromium"))
    pytest.importorskip("playwright", reason=ABSENT.format("Playwright"))
    with open_browser() as made:
        yield made


def save_picture(page: Any, file: Path, colours: int = COLOURS) -> None:
    """As much of the page as there is, with few colours: at a fraction of the size."""
    with Image.open(BytesIO(page.screenshot(full_page=True))) as picture:
        picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"drew {file}: {file.stat().st_size / 1000:.0f} kB")
