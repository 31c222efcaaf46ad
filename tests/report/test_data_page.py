"""The page on a dataset: whole, closed to the outside, readable without eyes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from eyas.core.schema import DataConfig
from eyas.data import look_closely
from eyas.diagnose.labels import judge_labels
from eyas.report import write_data_page


class Outline(HTMLParser):
    """What a page holds."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.headings, self.links, self.ids = [], [], []
        self._in_heading = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "img":
            self.images.append(values)
        if tag == "a":
            self.links.append(values["href"])
        if "id" in values:
            self.ids.append(values["id"])
        self._in_heading = tag == "h2"

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self.headings.append(data)
            self._in_heading = False


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    overview = look_closely(DataConfig(source="digits"))
    rows = np.sort(np.concatenate([overview.splits["train"], overview.splits["val"]]))
    labels = overview.survey.labels[rows]
    probabilities = np.full((len(rows), 10), 0.01, np.float32)
    guessed = labels.copy()
    guessed[:3] = (guessed[:3] + 1) % 10
    probabilities[np.arange(len(rows)), guessed] = 0.91
    judged = judge_labels(probabilities, labels, overview.report.classes)
    return write_data_page(tmp_path_factory.mktemp("page"), overview, judged, rows)


def test_sections_images_and_links(written: Path) -> None:
    outline = Outline(written.read_text(encoding="utf-8"))
    assert written.name == "index.html"
    assert outline.headings[:5] == [
        "Findings",
        "Class balance",
        "Sizes and colour modes",
        "Colours",
        "What the classes look like",
    ]
    assert outline.headings[-2:] == ["Suspected label errors", "Hard classes and confused pairs"]
    assert [link.removeprefix("#") for link in outline.links] == outline.ids
    assert len(outline.images) == 4 + 3
    assert all(image["alt"] and image["src"].startswith("data:image/png;base64,") for image in outline.images)


def test_nothing_is_fetched(written: Path) -> None:
    assert not re.search(r"""(src|href)=["'](?!data:|#)|url\(|@import|<script""", written.read_text(encoding="utf-8"))


def test_json_beside_it(written: Path) -> None:
    values = json.loads(written.with_suffix(".json").read_text())
    assert values["counts"]["train"]["0"] == 144
    assert [one["image"] for one in values["labels"]["suspects"]] == ["all[0]", "all[1]", "all[2]"]
    assert len(values["colours"]["train"]["mean"]) == 1


def test_file_and_names_that_look_like_html(tmp_path: Path) -> None:
    from PIL import Image

    for row in range(24):
        folder = tmp_path / "images" / ("<b>&" if row % 2 else "x$y")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(row).integers(0, 255, (32, 32, 3), np.uint8)).save(folder / f"{row}.png")
    page = write_data_page(tmp_path / "look.html", look_closely(DataConfig(source=str(tmp_path / "images"))))
    text = page.read_text(encoding="utf-8")
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text
