"""Draw the site's pictures of the page: what a browser shows of a real service.

    make ui-pictures

Run with the folder that they go to, where Playwright and the folder of tests are on the path.
"""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from ui_service import Tab, digit_files, drift, feed, open_browser, open_tab, page_service

COLOURS = 255
SIZE = {"width": 1100, "height": 780}


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, page_service(Path(folder)) as server, open_browser() as browser:
        feed(server.url, 200, wrong=8)
        with open_tab(browser, server.url, viewport=SIZE) as tab:
            save(trying(tab, Path(folder)), target / "try.png")
        with open_tab(browser, server.url, viewport=SIZE, color_scheme="dark") as tab:
            save(watching(tab), target / "monitor.png")


def trying(tab: Tab, folder: Path) -> bytes:
    """An image, its answer and its heat map."""
    page = tab.go("try")
    page.set_input_files("input[type=file] >> nth=0", str(digit_files(folder, 3)[2]))
    page.get_by_text("Why this answer?").click()
    page.get_by_role("button", name="Show heat map").click()
    page.wait_for_selector(".legend")
    return shot(page)


def watching(tab: Tab) -> bytes:
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
    return shot(page)


def shot(page: Any) -> bytes:
    """As much of the page as there is."""
    taken: bytes = page.screenshot(full_page=True)
    return taken


def save(content: bytes, file: Path) -> None:
    """With few colours: at a fraction of the size."""
    with Image.open(BytesIO(content)) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"drew {file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
