"""The page itself, and the JSON beside it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core import io
from eyas.data.fixes import image_names
from eyas.data.overview import Overview
from eyas.diagnose.labels import LabelReport
from eyas.report.data import figures
from eyas.report.data.html import Picture, chart, paragraph, section, table
from eyas.report.data.statistics import class_means, colours

TEMPLATE = Path(__file__).with_name("page.html")
MOST = 40
"""Pairs and suspects shown; the JSON has all."""
EXAMPLES = 8
Section = tuple[str, str, str]
"""Key, title and HTML."""
Images = NDArray[np.uint8]
CHANNELS = {1: ("grey",), 3: ("red", "green", "blue")}


def write_data_page(
    target: Path, overview: Overview, judged: LabelReport | None = None, rows: NDArray[np.int64] | None = None
) -> Path:
    """Write one HTML page without external resources, and JSON beside it.

    Args:
        target: `FILE.html`, or a folder that gets `index.html`.
        overview: of the dataset.
        judged: of cross-validation, where it was done.
        rows: (N,) the row of each position that `judged` names.

    Returns:
        The page.
    """
    page = target if target.suffix.lower() in (".html", ".htm") else target / "index.html"
    report, names = overview.report, image_names(overview.survey.names)
    parts = [_findings(overview), _balance(overview), _sizes(overview)]
    if overview.images is not None:
        images = overview.images
        parts += [_colours(overview, images), _pictures(overview, images), *_pairs(overview, images, names)]
        if judged and rows is not None:
            parts += [_suspects(images, judged, rows, names), _difficulty(judged)]
    total = sum(sum(split.values()) for split in report.counts.values())
    lead = f"{total:,} images in {len(report.classes)} classes; {len(report.findings)} findings."
    keys = [(key, title) for key, title, _ in parts]
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(f"{report.name}: a look at the data"),
        lead=escape(lead),
        links=" ".join(f'<a href="#{key}">{escape(title)}</a>' for key, title in keys),
        body="".join(section(key, title, content) for key, title, content in parts),
    )
    io.write_text(page, text)
    io.write_json(page.with_suffix(".json"), page_json(overview, names, judged, rows))
    return page


def page_json(
    overview: Overview, names: list[str], judged: LabelReport | None, rows: NDArray[np.int64] | None
) -> dict[str, Any]:
    """Everything that the page says, whole."""
    pairs, values = overview.pairs, overview.report.to_json()
    values["near_pairs"] = [
        {"first": names[i], "second": names[j], "mirrored": mirrored, "score": round(score, 4)}
        for i, j, mirrored, score in zip(
            pairs.first.tolist(), pairs.second.tolist(), pairs.mirrored.tolist(), pairs.score.tolist(), strict=True
        )
    ]
    if overview.images is not None:
        values["colours"] = {
            split: {"mean": found.mean.tolist(), "std": found.std.tolist(), "brightness": found.histogram.tolist()}
            for split, found in colours(overview.images, overview.splits).items()
        }
    if judged and rows is not None:
        values["labels"] = labels_json(judged, rows, names)
    return values


def labels_json(judged: LabelReport, rows: NDArray[np.int64], names: list[str]) -> dict[str, Any]:
    """The report on labels, its suspects by name."""
    values = judged.to_json()
    for suspect, found in zip(values["suspects"], judged.suspects, strict=True):
        suspect["image"] = names[rows[found.position]]
    return values


def _findings(overview: Overview) -> Section:
    rows = overview.report.finding_rows()
    if not rows:
        return "findings", "Findings", paragraph("Nothing is wrong with these data that eyas looks for.")
    return "findings", "Findings", table("What was found", ("severity", "code", "what", "such as"), rows)


def _balance(overview: Overview) -> Section:
    report = overview.report
    png = figures.draw_balance(report.counts, report.classes)
    alt = f"Bars: images of each of {len(report.classes)} classes by split; the table below has the numbers."
    counts = table("Images by class and split", ("class", *report.counts, "all"), report.count_rows())
    return "balance", "Class balance", chart(png, alt) + counts


def _sizes(overview: Overview) -> Section:
    report = overview.report
    rows = list(report.sizes.items())
    modes = list(report.modes.items())
    drawn = chart(figures.draw_sizes(report.sizes), "Bars: images of each size.") if len(rows) > 1 else ""
    return (
        "sizes",
        "Sizes and colour modes",
        drawn + table("Images by size", ("height×width", "images"), rows) + table("By mode", ("mode", "images"), modes),
    )


def _colours(overview: Overview, images: Images) -> Section:
    found = colours(images, overview.splits)
    names = CHANNELS[images.shape[-1]]
    rows = [
        (split, name, float(of.mean[c]), float(of.std[c]))
        for split, of in found.items()
        for c, name in enumerate(names)
    ]
    png = figures.draw_brightness(found)
    alt = "Curves: distribution of the images' mean brightness in each split; the table below has mean and deviation."
    return (
        "colours",
        "Colours",
        chart(png, alt) + table("Pixels, 0 to 255", ("split", "channel", "mean", "deviation"), rows),
    )


def _pictures(overview: Overview, images: Images) -> Section:
    labels, classes = overview.survey.labels, overview.report.classes
    train = overview.splits.get("train", overview.splits.get("all", np.empty(0, np.int64)))
    means = class_means(images, labels, train, len(classes))
    rng = np.random.default_rng(0)
    chosen = np.full((len(classes), EXAMPLES, *images.shape[1:]), 255, np.uint8)
    for k in range(len(classes)):
        members = train[labels[train] == k]
        some = np.sort(rng.choice(members, min(EXAMPLES, len(members)), replace=False))
        chosen[k, : len(some)] = np.asarray(images)[some]
    brightness = [
        (name, int((labels[train] == k).sum()), float(means[k].mean()), float(means[k].std()))
        for k, name in enumerate(classes)
    ]
    columns = ("class", "training images", "mean brightness", "contrast of the mean image")
    return (
        "pictures",
        "What the classes look like",
        chart(figures.draw_means(means, classes), f"The mean training image of each of {len(classes)} classes.")
        + table("Mean images in figures", columns, brightness)
        + chart(figures.draw_montage(chosen, classes), f"{EXAMPLES} training images of each class, drawn by chance."),
    )


def _pairs(overview: Overview, images: Images, names: list[str]) -> list[Section]:
    made: list[Section] = []
    splits = overview.splits
    across = [("test", "train"), ("test", "val"), ("val", "train")]
    for left, right in [*across, *((name, name) for name in splits)]:
        if left not in splits or right not in splits:
            continue
        at, first, second = overview.pairs.between(splits[left], splits[right])
        if not len(at):
            continue
        title = f"Nearly the same: {left} and {right}" if left != right else f"Nearly the same within {left}"
        some = np.linspace(0, len(at) - 1, min(MOST, len(at))).astype(np.int64)
        rows = [
            (
                _picture(images, names, first[n]),
                _picture(images, names, second[n]),
                _class(overview, first[n]),
                _class(overview, second[n]),
                "yes" if overview.pairs.mirrored[at[n]] else "no",
                float(overview.pairs.score[at[n]]),
            )
            for n in some.tolist()
        ]
        caption = f"{len(rows)} of {len(at):,} pairs, from the surest to the least sure"
        columns = (left, right, "class", "class of the other", "mirrored", "probability")
        made.append((f"near-{left}-{right}", title, table(caption, columns, rows)))
    return made


def _suspects(images: Images, judged: LabelReport, rows: NDArray[np.int64], names: list[str]) -> Section:
    shown = [
        (
            _picture(images, names, int(rows[found.position])),
            found.given,
            found.suggested,
            found.given_probability,
            found.suggested_probability,
        )
        for found in judged.suspects[:MOST]
    ]
    intro = paragraph(
        f"{len(judged.suspects):,} of {judged.images:,} labels are doubted by networks that never saw the image "
        f"(out-of-sample accuracy {judged.accuracy:.1%}). They are suggestions: look at each."
    )
    columns = ("image", "label", "suggested", "probability of the label", "of the suggestion")
    listed = table(f"The {len(shown)} likeliest errors", columns, shown) if shown else ""
    return "labels", "Suspected label errors", intro + listed


def _difficulty(judged: LabelReport) -> Section:
    hardest = [(score.name, score.images, score.recall, score.precision, score.f1) for score in judged.classes]
    confused = [(pair.true, pair.predicted, pair.images, pair.share) for pair in judged.confusions[:MOST]]
    return (
        "difficulty",
        "Hard classes and confused pairs",
        table("Classes, hardest first, out of sample", ("class", "images", "recall", "precision", "F1"), hardest)
        + table("Most confused", ("label", "taken for", "images", "share of the class"), confused),
    )


def _picture(images: Images, names: list[str], row: int) -> Picture:
    return Picture(np.asarray(images)[row], names[row])


def _class(overview: Overview, row: int) -> str:
    name: str = overview.report.classes[overview.survey.labels[row]]
    return name
