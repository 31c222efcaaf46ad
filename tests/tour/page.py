"""The service's page in a real Chromium, as pictures."""

from __future__ import annotations

from pathlib import Path

from support.browsing import chromium

SIZE = {"width": 1100, "height": 780}
VIEWS = ("model", "monitor", "rollout")
SEEN = 6000  # ms, after which a view has drawn what moves


def look(url: str, image: Path, folder: Path) -> None:
    """Try an image with a heat map, then see what the other views show: page-try.png and so on.

    Args:
        image: a file.
        folder: of the pictures.
    """
    from playwright.sync_api import sync_playwright  # `make tour` brings it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{url}/#/try")
        page.set_input_files("input[type=file] >> nth=0", str(image))
        page.get_by_text("Why this answer?").click()
        page.get_by_role("button", name="Show heat map").click()
        page.wait_for_selector(".legend")
        page.screenshot(path=folder / "page-try.png", full_page=True)
        for view in VIEWS:
            page.goto(f"{url}/#/{view}")
            page.wait_for_timeout(SEEN)
            page.screenshot(path=folder / f"page-{view}.png", full_page=True)
        browser.close()
    if errors:
        raise SystemExit(f"the page failed: {errors[0]}")
    print(f"    drew {', '.join(f'page-{view}.png' for view in ('try', *VIEWS))}")
