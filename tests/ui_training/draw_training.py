"""Draw the site's pictures of the page of runs and studies: a run that goes on, and a search.

    make ui-pictures

Run with the folder that they go to, where Playwright and the folder of tests are on the path.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from following import EYAS, epochs, following, training

from support.browsing import open_browser, open_tab, save_picture
from support.waiting import wait_until

SIZE = {"width": 1100, "height": 700}
EPOCHS = 45
SEARCH = ("train.epochs=6", "model.hidden=[64]", "--trials", "24", "--seeds", "1", "--workers", "1")


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as place, open_browser() as browser:
        runs = Path(place) / "runs"
        with (
            training(runs, "digits-cnn", "train.learning_rate=0.0004", "train.epochs=120"),
            following(Path("runs"), Path(place)) as page,
        ):
            wait_until(lambda: epochs(runs / "digits-cnn-1") >= EPOCHS, seconds=300)
            with open_tab(browser, page.url, viewport=SIZE) as tab:
                save_picture(settled(tab.go("run?run=digits-cnn-1"), ".tile .big"), target / "run.png")
        subprocess.run([*EYAS, "tune", "digits", f"runs_dir={runs}", *SEARCH], check=True, capture_output=True)
        with (
            following(Path("runs"), Path(place)) as page,
            open_tab(browser, page.url, viewport=SIZE, color_scheme="dark") as tab,
        ):
            shown = settled(tab.go("study?study=digits-tune-1"), ".parallel .best")
            shown.evaluate(
                "() => document.querySelectorAll('main > .tall, main > .tall ~ *').forEach((one) => one.remove())"
            )
            save_picture(shown, target / "study.png", colours=64)


def settled(page: Any, what: str) -> Any:
    """Once it is there, and has been drawn at its width."""
    page.wait_for_selector(what)
    page.wait_for_timeout(1500)
    return page


if __name__ == "__main__":
    main()
