"""The page as it looks, in each scheme, width and language: accessible, within its width, usable by keys, small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ui_service import digit_files

from support.browsing import ABSENT, AXE, LOOKS, WIDE, Tab

OpenTab = Callable[..., Tab]
FIRST_LOAD = 150_000  # bytes
SETTLED = {
    "try": "text=0.0",
    "model": ".matrix",
    "monitor": ".versions-now .card",
    "rollout": ".versions",
}


def opened(tab: OpenTab, view: str, **context: Any) -> Tab:
    made = tab(axe=True, **context)
    made.go(view)
    if view != "try":
        made.page.wait_for_selector(SETTLED[view])
    return made


@pytest.mark.parametrize("view", [*SETTLED])
@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=[f"{scheme}-{size['width']}" for scheme, size in LOOKS])
def test_it_is_accessible_and_fits(
    tab: OpenTab, tmp_path: Path, view: str, language: str, scheme: str, size: dict[str, int]
) -> None:
    if not AXE.exists():
        pytest.skip(ABSENT.format("axe-core"))
    made = opened(tab, view, color_scheme=scheme, viewport=size, locale=language)
    page = made.page
    if view == "try":
        page.set_input_files("input[type=file] >> nth=0", str(digit_files(tmp_path, 1)[0]))
        page.wait_for_selector(".verdict")
        page.locator("article summary").first.click()
    if view == "model":
        page.locator(".matrix button:not(:empty)").nth(1).click()
        page.wait_for_selector(".behind h3")
        page.locator("summary").last.click()
    assert made.axe() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_the_first_load_is_small_and_all_from_the_service(tab: OpenTab) -> None:
    made = tab()
    loaded: dict[str, int] = {}
    made.page.on("response", lambda one: loaded.update({one.url: len(one.body())}))
    made.go("try")
    made.page.wait_for_load_state("networkidle")
    assert len(loaded) > 5
    assert all(url.startswith(made.url) for url in loaded)
    assert sum(loaded.values()) < FIRST_LOAD  # unpacked


def test_keys_alone_reach_everything(tab: OpenTab) -> None:
    page = tab().go("try")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.innerText || document.activeElement.id"))
    assert [text for text in seen if text in ("Try", "Model", "Monitor", "Rollout")] == [
        "Try",
        "Model",
        "Monitor",
        "Rollout",
    ]
    assert "Choose images" in seen
    page.get_by_role("link", name="Model").press("Enter")
    page.wait_for_selector(".matrix")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.evaluate("getComputedStyle(document.querySelector('a')).outlineStyle") == "none"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_nothing_moves_for_who_wants_that(tab: OpenTab) -> None:
    page = tab(reduced_motion="reduce", viewport=WIDE).go("try")
    assert page.evaluate("getComputedStyle(document.querySelector('button.primary')).transitionDuration") == "0s"
