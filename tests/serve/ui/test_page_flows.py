"""What a person does with the page, in a real Chromium over a real service."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from ui_service import NEW, OLD, begin_rollout, digit_files, drift, noise_file, page_service

from support.browsing import ELSEWHERE, PHONE, Tab
from support.bundles import CLASSES
from support.server import Server
from support.tokens import SECRET, token
from support.waiting import wait_until

OpenTab = Callable[..., Tab]
MOVES = "POST /admin/models/{model}/rollout/pause"
NO_MOVES = "this service has no admin endpoints for rollouts"


def choose(page: Any, *files: Path) -> None:
    page.set_input_files("input[type=file] >> nth=0", [str(file) for file in files])
    page.wait_for_function("n => document.querySelectorAll('.verdict').length === n", arg=len(files))


def predictions(url: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{url}/predictions", params=query).json()["predictions"]
    return found


def test_images_are_answered_with_bars_and_doubts(tab: OpenTab, tmp_path: Path) -> None:
    page = tab().go("try")
    digit, noise = digit_files(tmp_path, 1)[0], noise_file(tmp_path)
    choose(page, digit, noise)
    noisy, clear = page.locator("article").all()  # the newest first
    assert clear.locator(".verdict").inner_text().startswith(digit.stem.partition("-")[0])
    shares = [float(text.strip(" %")) for text in clear.locator(".bars .value").all_inner_texts()]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)
    assert noisy.locator(".doubt .badge").all_inner_texts() == ["Unknown", "Needs review"]
    assert clear.locator("canvas").get_attribute("aria-label") == f"{digit.name}, as the model sees it"
    assert (
        page.locator("#said").inner_text().startswith(noise_file(tmp_path).name)
        or "%" in page.locator("#said").inner_text()
    )


def test_an_image_is_pasted_and_another_is_dropped(tab: OpenTab, tmp_path: Path) -> None:
    page = tab().go("try")
    give = """async ([kind, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], `${kind}.png`, { type: "image/png" }));
        const event = kind === "paste" ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true })
            : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
        document.querySelector("main").dispatchEvent(event);
    }"""
    content = [*digit_files(tmp_path, 1)[0].read_bytes()]
    for count, kind in enumerate(("paste", "drop"), start=1):
        page.evaluate(give, [kind, content])
        page.wait_for_function("n => document.querySelectorAll('.verdict').length === n", arg=count)
        assert page.locator("article .name").first.inner_text() == f"{kind}.png"


def test_a_phone_is_offered_its_camera(tab: OpenTab) -> None:
    phone = tab(viewport=PHONE, has_touch=True, is_mobile=True).go("try")
    assert phone.get_by_role("button", name="Take a photo").is_visible()
    assert phone.locator("input[capture=environment]").count() == 1
    assert not tab().go("try").get_by_role("button", name="Take a photo").is_visible()


def test_what_is_no_image_is_said_and_the_others_are_answered(tab: OpenTab, tmp_path: Path) -> None:
    opened = tab()
    page = opened.go("try")
    (tmp_path / "text.png").write_text("no image")
    page.set_input_files("input[type=file] >> nth=0", [str(tmp_path / "text.png"), str(digit_files(tmp_path, 1)[0])])
    page.wait_for_selector(".verdict")
    page.wait_for_selector(".notice.bad")
    assert "not an image in a known format" in page.locator(".notice.bad").inner_text()
    opened.expected += [error for error in opened.errors if "422" in error]
    assert len(opened.expected) == 1


def test_a_wrong_answer_is_corrected_and_kept(tab: OpenTab, shown: Server, tmp_path: Path) -> None:
    page = tab().go("try")
    choose(page, digit_files(tmp_path, 2)[1])
    card = page.locator("article")
    id_ = re.findall(r"[0-9a-f]{32}", card.inner_text())[0]
    card.get_by_role("button", name="No", exact=True).click()
    picker = card.get_by_label("What is it truly?")
    assert picker.evaluate("element => element === document.activeElement")
    picker.select_option("eight")
    card.get_by_role("button", name="Send").click()
    page.wait_for_selector("text=Noted: eight")
    wait_until(lambda: [row["true_label"] for row in predictions(shown.url, id=id_)] == ["eight"], seconds=20)
    card.get_by_role("button", name="Change").click()
    card.get_by_role("button", name="Yes").click()
    label = card.locator(".verdict").inner_text().split()[0]
    page.wait_for_selector(f"text=Noted: {label}")
    wait_until(lambda: [row["true_label"] for row in predictions(shown.url, id=id_)] == [label], seconds=20)


@pytest.mark.parametrize("method", ["occlusion", "cam"])
def test_a_heat_map_is_drawn_and_says_how_good_it_is(tab: OpenTab, tmp_path: Path, method: str) -> None:
    page = tab().go("try")
    choose(page, digit_files(tmp_path, 1)[0])
    before = page.locator("article canvas").screenshot()
    page.get_by_text("Why this answer?").click()
    page.wait_for_selector("option[value=cam]", state="attached")
    page.get_by_label("Method").select_option(method)
    page.get_by_role("button", name="Show heat map").click()
    page.wait_for_selector(".legend")
    assert re.search(r"(No better|Better) than chance", page.locator("article details[open]").inner_text())
    assert page.locator("article canvas").screenshot() != before
    assert "speaks for" in page.locator("article canvas").get_attribute("aria-label")
    page.get_by_label("Show the map over the image").uncheck()
    assert page.locator("article canvas").screenshot() == before


def test_answers_stay_when_the_language_changes(tab: OpenTab, tmp_path: Path) -> None:
    page = tab().go("try")
    choose(page, digit_files(tmp_path, 1)[0])
    page.get_by_label("Language").select_option("fr")
    page.wait_for_selector("text=Est-ce juste")
    assert page.locator("html").get_attribute("lang") == "fr"
    assert page.title().startswith("Essayer")
    assert re.search(r"\d,\d\s%", page.locator(".verdict").inner_text())
    page.reload()
    page.wait_for_selector("text=Essayer le modèle")


def test_the_model_page_leads_from_a_cell_to_its_images(tab: OpenTab, shown: Server) -> None:
    page = tab().go("model")
    page.wait_for_selector(".matrix")
    assert "87.0%" in page.locator("main").inner_text()
    held = [int(text) for text in page.locator(".matrix button").all_inner_texts() if text]
    assert sum(held) == 300
    page.get_by_label("Images in service").check()
    page.wait_for_selector("text=labelled predictions of this version")
    confusion = httpx.get(f"{shown.url}/predictions/confusion").json()["confusion"]
    true, predicted, count = next(one for one in confusion if one[0] != one[1])
    name = f"True {CLASSES[true]}, predicted {CLASSES[predicted]}: {count} image" + "s" * (count > 1)
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_selector(".gallery img")
    assert page.locator(".gallery li").count() == count
    wait_until(
        lambda: page.evaluate("[...document.querySelectorAll('.gallery img')].every(i => i.naturalWidth === 8)"), 10
    )
    assert f"truly {CLASSES[true]}" in page.locator(".gallery").inner_text()


def test_the_matrix_is_walked_through_with_the_arrow_keys(tab: OpenTab) -> None:
    page = tab().go("model")
    page.wait_for_selector(".matrix")
    now = "document.activeElement.getAttribute('aria-label')"
    page.locator('.matrix button[tabindex="0"]').focus()
    assert page.evaluate(now).startswith("True zero, predicted zero")
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate(now).startswith("True one, predicted zero")
    page.keyboard.press("End")
    assert page.evaluate(now).startswith("True one, predicted nine")
    assert page.locator('.matrix button[tabindex="0"]').count() == 1
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Images of one that were taken for nine")


def test_the_monitor_follows_the_service(tab: OpenTab, shown: Server) -> None:
    page = tab().go("monitor")
    page.wait_for_selector(".versions-now .card")
    before = int(page.locator(".versions-now dd").first.inner_text())
    drift(shown.url, 120)
    page.wait_for_selector(".alarm", timeout=20_000)
    least = "least => Number(document.querySelector('.versions-now dd').innerText) >= least"
    page.wait_for_function(least, arg=before + 120)
    assert "drifting now" in page.locator(".versions-now").inner_text()
    latency = page.locator(".tile .big").nth(1)
    wait_until(lambda: re.fullmatch(r"[\d.]+ ms", latency.inner_text()), seconds=10)
    page.locator(".alarm summary").first.click()
    page.wait_for_selector(".alarm .gallery img")
    assert page.locator(".alarm .gallery li").count() >= 1
    assert re.search(r"\d+\.\d% to \d+\.\d%", page.locator(".versions-now").inner_text())


def test_a_version_is_made_live_and_taken_back(tab: OpenTab, tmp_path: Path) -> None:
    with page_service(tmp_path) as server:
        page = tab(server.url).go("rollout")
        page.get_by_role("button", name=f"Make live: {NEW}").click()
        dialog = page.get_by_role("dialog")
        assert f"{NEW} answers for digits in place of {OLD}" in dialog.inner_text()
        dialog.get_by_role("button", name="Make live").click()
        page.wait_for_selector(f"text={NEW} has been live since")
        assert httpx.get(f"{server.url}/health").json()["version"] == NEW
        page.get_by_role("button", name=f"Back to {OLD}").click()
        page.keyboard.press("Escape")  # nothing is done
        page.wait_for_selector("dialog", state="detached")
        page.get_by_role("button", name=f"Back to {OLD}").click()
        page.get_by_role("dialog").get_by_role("button", name=f"Back to {OLD}").click()
        page.wait_for_selector(f"text={OLD} has been live since")
        assert httpx.get(f"{server.url}/health").json()["version"] == OLD


def test_a_rollout_is_looked_at_and_moved(tab: OpenTab, tmp_path: Path) -> None:
    with page_service(tmp_path) as server:
        store = begin_rollout(tmp_path)
        page = tab(server.url).go("rollout")
        page.wait_for_selector(".rollout .verdicts")
        assert "Canary: digits-2 answers 25% of the requests, digits-1 the rest." in page.locator("main").inner_text()
        assert "requests at 25 %" in page.locator(".verdicts").inner_text()
        if MOVES not in httpx.get(f"{server.url}/ui/service.json").json()["endpoints"]:
            assert "Moves are made by" in page.locator(".rollout").inner_text()
            pytest.skip(NO_MOVES)

        def move(name: str, status: str) -> None:
            page.get_by_role("button", name=name, exact=True).click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_label("Reason").fill(f"because of {name}")
            dialog.get_by_role("button", name=name, exact=True).click()
            page.wait_for_selector("dialog", state="detached")
            page.wait_for_selector(f".rollout .badge:text-is('{status}')")

        move("Pause", "paused")
        move("Resume", "running")
        move("Advance", "running")
        page.wait_for_selector("text=digits-2 answers 50%")
        move("Roll back", "rolled back")
        page.get_by_text("History", exact=True).click()
        assert "because of Advance" in page.locator(".history").inner_text()
        assert [entry.why[0] for entry in store.history()[1:]] == [
            f"because of {name}" for name in ("Pause", "Resume", "Advance", "Roll back")
        ]


def test_a_token_opens_what_it_is_for(tab: OpenTab, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    with page_service(tmp_path, auth={"secret_file": str(tmp_path / "secret")}) as server:
        opened = tab(server.url)
        page = opened.go("try")
        assert "access token for “predict”" in page.locator(".notice").inner_text()

        def use(scope: str) -> None:
            page.locator("header #token").click()
            page.get_by_label("Bearer token").fill(token(scope=scope))
            page.get_by_role("button", name="Use token").click()

        use("predict")
        page.wait_for_selector("text=Choose images")
        choose(page, digit_files(tmp_path, 1)[0])
        opened.go("rollout")
        page.wait_for_selector("text=not for “admin”")
        use("predict admin feedback")
        page.wait_for_selector(".versions")
        opened.go("monitor")
        page.wait_for_selector(".versions-now .card")
        assert page.evaluate("Object.keys(localStorage).length") == 0  # the token is in this tab alone
        page.locator("header #token").click()
        page.get_by_role("button", name="Forget token").click()
        page.wait_for_selector("text=access token for “admin”")


def test_by_a_name_that_was_made_to_point_here_nothing_private_is_shown(tab: OpenTab, shown: Server) -> None:
    opened = tab(f"http://{ELSEWHERE}:{shown.port}")
    page = opened.go("rollout")
    page.wait_for_selector("text=only on the machine that the service runs on")
    opened.go("model")
    page.wait_for_selector(".matrix")
    page.get_by_label("Images in service").check()
    page.wait_for_selector("text=only on the machine that the service runs on")
    asked = "fetch('predictions').then(answer => answer.status)"
    assert page.evaluate(asked) == 403
    opened.expected += [error for error in opened.errors if "403" in error]
    assert len(opened.expected) == 1
