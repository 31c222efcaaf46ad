"""The page of runs and studies in a real Chromium: what a person does with it, and how it looks."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from following import Page, following, searching, training

from support.browsing import ABSENT, AXE, LOOKS, PHONE, WIDE, Tab

OpenTab = Callable[..., Tab]
FIRST_LOAD = 150_000  # bytes
COMPARED = "compare?run=small-1&run=large-1"
STUDY = "study?study=digits-tune-1"
SETTLED = {
    "runs": "tbody tr",
    "studies": "tbody tr",
    "run?run=small-1": ".matrix",
    COMPARED: "td >> text=[16]",
    STUDY: ".parallel .best",
}
EPOCHS = "Number(document.querySelector('.tile .big')?.textContent.split(' ')[0])"


def opened(tab: OpenTab, view: str, **context: Any) -> Tab:
    made = tab(**context)
    made.go(view).wait_for_selector(SETTLED[view])
    return made


def cells(page: Any, column: int) -> list[str]:
    found: list[str] = page.locator(f"tbody tr > :nth-child({column})").all_inner_texts()
    return [text.splitlines()[0] for text in found]


def test_a_run_is_followed_live_and_its_end_is_seen(browser: Any, tab: OpenTab, tmp_path: Path) -> None:
    with following(tmp_path) as page, training(tmp_path, "live") as process:
        shown = tab(page.url).go("runs")
        shown.wait_for_selector(".badge >> text=Running")
        shown.get_by_role("link", name="live-1").click()
        shown.wait_for_selector(".tile .big")
        shown.evaluate("window.kept = true")
        for _ in range(3):
            file = tmp_path / "live-1" / "history.csv"
            written = len(file.read_text().splitlines()) - 1
            shown.wait_for_function(f"n => {EPOCHS} > n", arg=written, timeout=20_000)
        points = shown.locator(".lines polyline").first.get_attribute("points").split()
        assert len(points) > written
        assert shown.title().startswith(shown.locator(".tile .big").first.inner_text().split(" ")[0])
        process.kill()
        process.wait(10)
        shown.wait_for_selector(".badge.bad >> text=Killed")
        assert f"eyas train --resume {tmp_path}/live-1" in shown.locator("#main").inner_text()
        assert shown.evaluate("window.kept")  # all of it without a reload


def test_a_search_is_followed_live_and_its_end_is_seen(tab: OpenTab, tmp_path: Path) -> None:
    with following(tmp_path) as page:
        with searching(tmp_path, "model=cnn", "train.epochs=6", "--trials", "40", "--alone"):
            shown = tab(page.url).go("studies")
            shown.get_by_role("link", name="digits-tune-1").click(timeout=60_000)
            shown.wait_for_selector(".badge.live")
            shown.evaluate("window.kept = true")
            for row in (1, 2, 3):
                shown.wait_for_selector(f".rows tbody tr:nth-child({row})", timeout=60_000)
            shown.wait_for_selector(".lines circle", timeout=60_000)  # a first trial has ended
        shown.wait_for_selector("p.row > .badge >> text=Killed")
        assert shown.evaluate("window.kept")


def test_an_epoch_appears_with_the_next_look(tab: OpenTab, tmp_path: Path, runs: Path) -> None:
    run = tmp_path / "told-1"
    run.mkdir()
    (run / "config.yaml").write_text((runs / "small-1" / "config.yaml").read_text())
    head, *rows = (runs / "small-1" / "history.csv").read_text().splitlines()
    (run / "history.csv").write_text(f"{head}\n{rows[0]}\n")
    with following(tmp_path) as page:
        shown = tab(page.url).go("run?run=told-1")
        shown.wait_for_function(f"() => {EPOCHS} === 1")
        looks: list[str] = []
        shown.on("requestfinished", lambda one: looks.append(one.url) if "/live/run?" in one.url else None)
        for epoch in (2, 3, 4):
            lines = [head, *rows[:epoch], ""]
            (tmp_path / "next.csv").write_text("\n".join(lines))
            (tmp_path / "next.csv").replace(run / "history.csv")
            looks.clear()
            shown.wait_for_function(f"() => {EPOCHS} === {epoch}")
            assert len(looks) <= 2  # one may have been under way


def test_nothing_is_sent_twice(tab: OpenTab) -> None:
    made = opened(tab, "run?run=small-1")
    asked: list[str] = []
    looks = "performance.getEntriesByType('resource').filter((one) => one.name.includes('after=4'))"
    sizes = f"() => {looks}.map((one) => one.transferSize)"
    made.page.on("request", lambda one: asked.append(one.url))
    made.page.wait_for_function(f"() => {looks}.length > 3")
    assert all("after=4" in url for url in asked if "/live/run?" in url)
    first, *others = made.page.evaluate(sizes)
    assert max(others) < first  # "as before": headers alone


def test_runs_are_sorted_filtered_and_compared(tab: OpenTab) -> None:
    page = opened(tab, "runs").page
    page.get_by_role("button", name="Validation accuracy").click()
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Validation accuracy")
    values = [float(text.rstrip("%")) for text in cells(page, 7)]
    assert values == sorted(values, reverse=True)
    page.get_by_role("button", name="Run", exact=True).press("Enter")
    assert cells(page, 2) == ["large-1", "small-1"]
    search = page.get_by_label("Name, model or data")
    search.fill("SMALL mlp")
    assert cells(page, 2) == ["small-1"]
    search.fill("")
    page.get_by_label("Trials of studies too").check()
    assert any(name.startswith("digits-tune-1/runs/trial-") for name in cells(page, 2))
    page.get_by_label("Compare small-1").check()
    assert page.get_by_role("link", name="Compare 1 runs").count() == 0
    page.get_by_label("Compare large-1").check()
    page.get_by_role("link", name="Compare 2 runs").click()
    page.wait_for_selector(SETTLED[COMPARED])
    assert page.locator(".legend a").all_inner_texts() == ["small-1", "large-1"]
    assert page.locator(".lines polyline").count() == 2
    assert page.locator("section:last-of-type th code").all_inner_texts() == ["model.hidden", "train.learning_rate"]
    page.get_by_label("Value").select_option("loss")
    page.wait_for_selector("figcaption >> text=Training loss")


def test_all_of_a_run_is_there(tab: OpenTab) -> None:
    page = opened(tab, "run?run=small-1").page
    assert page.locator(".chart").count() == 3
    page.get_by_text("Epochs", exact=True).click()
    page.wait_for_selector(".tall tbody tr:nth-child(4)")
    assert page.locator("tr.best").count() == 1
    page.locator(".matrix button:not(:empty)").first.click()
    assert "taken for" in page.locator("#said").inner_text()
    picture = page.get_by_role("img", name="curves.png")
    picture.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('img[alt=\"curves.png\"]').naturalWidth > 100")
    assert "Nothing was found wrong" in page.locator("#main").inner_text()
    chart = page.locator("svg.lines").first
    chart.focus()
    page.keyboard.press("Home")
    first = page.locator(".legend").first.inner_text()
    assert "Epoch 1" in first
    assert page.locator("#said").inner_text().startswith("Epoch 1. Validation loss: ")
    page.keyboard.press("ArrowRight")
    assert page.locator(".legend").first.inner_text() != first
    assert page.locator(".pointer").count() == 1


def test_a_study_is_shown_and_its_best_is_copied(tab: OpenTab, shown: Page) -> None:
    made = opened(tab, STUDY, permissions=["clipboard-read", "clipboard-write"])
    page = made.page
    assert page.locator(".rows tbody tr").count() == len(shown.get("study", study="digits-tune-1")["trials"])
    assert page.locator(".parallel polyline").count() > 1
    assert page.locator(".swarm circle").count() > 1
    page.get_by_role("button", name="Copy").first.click()
    page.wait_for_selector("text=Copied")
    assert "/digits-tune-1/best.yaml" in page.evaluate("navigator.clipboard.readText()")
    page.locator(".rows tbody a").first.click()
    page.wait_for_selector(".tile .big")
    assert page.evaluate("location.hash").startswith("#/run?run=digits-tune-1%2Fruns%2Ftrial-")


@pytest.mark.parametrize("word", ["runs/small-1", "/my runs/a", "it's", "$(id)`id`;a&b", "runs_dir=/é", ""])
def test_a_word_of_a_copied_command_is_one_word_to_a_shell(tab: OpenTab, word: str) -> None:
    page = tab().go("runs")
    text = page.evaluate("async (word) => (await import('/ui/parts/words.js')).quoted(word)", word)
    assert shlex.split(text) == [word]
    assert (text == word) is (word == "runs/small-1")


def test_a_server_that_is_gone_is_told_and_found_again(tab: OpenTab, runs: Path) -> None:
    gone = "The server cannot be reached"
    with following(runs) as page:
        made = tab(page.url)
        shown = made.go("runs")
        shown.wait_for_selector(SETTLED["runs"])
    shown.wait_for_selector(f"text={gone}")
    assert shown.locator("tbody tr").count() == 2  # what was known stays
    notice = shown.locator("#trouble .notice").element_handle()
    with shown.expect_event("requestfailed", lambda one: "/live/list" in one.url):
        pass
    assert notice.evaluate("(one) => one.isConnected")  # and is not read out again at each look
    shown.get_by_label("Language").select_option("fr")
    shown.wait_for_function("() => document.getElementById('language').value === 'en'")
    shown.get_by_role("link", name="large-1").click()  # whose script is not here yet
    shown.wait_for_selector(f"text={gone}")
    with following(runs, port=int(page.url.rpartition(":")[2])):
        shown.wait_for_selector(".tile .big")
        shown.wait_for_selector(".notice", state="detached")
        shown.get_by_role("link", name="Runs", exact=True).first.click()
        shown.wait_for_selector(SETTLED["runs"])
        shown.close()
    made.expected += [error for error in made.errors if "ERR_" in error]


def test_what_is_wrong_in_one_view_is_not_said_in_the_next(tab: OpenTab) -> None:
    made = tab()
    page = made.go("compare?run=small-1&run=gone-1")
    notice = page.wait_for_selector("#trouble .notice >> text=there is no run of this name")
    for _ in range(2):  # the other run's looks go well all the while
        with page.expect_response(lambda one: "run=small-1" in one.url):
            pass
    assert notice.evaluate("(one) => one.isConnected")
    made.go("runs").wait_for_selector(SETTLED["runs"])
    assert page.locator("#trouble .notice").count() == 0
    made.expected += [error for error in made.errors if "404" in error]


@pytest.mark.parametrize("view", [*SETTLED])
@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=[f"{scheme}-{size['width']}" for scheme, size in LOOKS])
def test_it_is_accessible_and_fits_in_both_languages(
    tab: OpenTab, view: str, scheme: str, size: dict[str, int]
) -> None:
    if not AXE.exists():
        pytest.skip(ABSENT.format("axe-core"))
    french = scheme == "dark"
    made = opened(tab, view, axe=True, color_scheme=scheme, viewport=size, locale="fr-FR" if french else "en-GB")
    assert ("Entraînements" in made.page.locator("nav").inner_text()) is french
    for summary in made.page.locator("summary").all():
        summary.click()
    assert made.axe() == []
    assert made.page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_the_first_load_is_small_and_all_from_the_page_s_server(tab: OpenTab) -> None:
    made = tab()
    loaded: dict[str, int] = {}
    made.page.on("response", lambda one: loaded.update({one.url: len(one.body())}))
    made.go("runs").wait_for_load_state("load")
    made.page.wait_for_selector(SETTLED["runs"])
    assert len(loaded) > 5
    assert all(url.startswith(made.url) for url in loaded)
    assert sum(loaded.values()) < FIRST_LOAD  # unpacked


def test_keys_alone_reach_everything_and_rows_keep_the_focus(tab: OpenTab) -> None:
    page = opened(tab, "runs").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_label("Compare small-1").focus()
    page.keyboard.press("Space")
    for _ in range(2):
        with page.expect_response(lambda one: "/live/list" in one.url):
            pass
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Compare small-1"
    assert page.evaluate("document.activeElement.checked")
    page.get_by_role("link", name="Studies").press("Enter")
    page.wait_for_selector("text=digits-tune-1")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_language_is_chosen_and_kept(tab: OpenTab) -> None:
    page = opened(tab, "runs", viewport=PHONE).page
    page.get_by_label("Language").select_option("fr")
    page.wait_for_selector("h1 >> text=Entraînements")
    page.reload()
    page.wait_for_selector("h1 >> text=Entraînements")
    assert page.evaluate("document.documentElement.lang") == "fr"


def test_nothing_moves_for_who_wants_that(tab: OpenTab) -> None:
    page = opened(tab, "runs", reduced_motion="reduce", viewport=WIDE).page
    assert page.evaluate("document.getAnimations().length") == 0
