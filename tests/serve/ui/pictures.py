"""Draw the site's pictures of the page: what a browser shows of a real service.

    make ui-pictures

Run with the folder that they go to, where Playwright and the folder of tests are on the path.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from ui_service import digit_files, drift, feed, page_service

from support.browsing import Tab, open_browser, open_tab, save_picture

SIZE = {"width": 1100, "height": 780}


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, page_service(Path(folder)) as server, open_browser() as browser:
        feed(server.url, 200, wrong=8)
        with open_tab(browser, server.url, viewport=SIZE) as tab:
            save_picture(trying(tab, Path(folder)), target / "try.png")
        with open_tab(browser, server.url, viewport=SIZE, color_scheme="dark") as tab:
            save_picture(watching(tab), target / "monitor.png")


def trying(tab: Tab, folder: Path) -> Any:
    """An image, its answer and its heat map."""
    page = tab.go("try")
    page.set_input_files("input[type=file] >> nth=0", str(digit_files(folder, 3)[2]))
    page.get_by_text("Why this answer?").click()
    page.get_by_role("button", name="Show heat map").click()
    page.wait_for_selector(".legend")
    return page


def watching(tab: Tab) -> Any:
    """Traffic for a while, then an alarm."""
    page = tab.go("monitor")
    for _ in range(8):
        feed(tab.url, 40)
        page.wait_for_timeout(1500)
    drift(tab.url, 60)
    page.wait_for_selector(".alarm")
    page.locator(".alarm summary").first.click()
    page.wait_for_selector(".alarm .gallery img")
    page.wait_for_timeout(1500)
    return page


if __name__ == "__main__":
    main()
