"""The pictures of a drift report: traffic and accuracy over time, scores before a change and since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from eyas.core.language import Phrases
from eyas.monitor.folder import LEVELS, About
from eyas.report.canvas import BLUE, GREEN, GREY, INK, ORANGE, clean, new_figure, save
from eyas.report.monitoring.changes import Begun, Change, scores_of
from eyas.report.monitoring.facts import DAY, Series, VersionFacts, bounds
from eyas.report.monitoring.words import words
from eyas.report.words import percent_ticks

SCORES = ("confidence", "energy", "distance")
BINS = 30
LEAST_SPANS = 8
ENDS = (0.005, 0.995)
"""Quantiles between which scores are drawn; the few beyond are counted in the last bins."""
Floats = NDArray[np.float64]


def draw_traffic(found: VersionFacts, png: Path, language: str) -> None:
    """Predictions, shares and mean confidence by time, alarms as lines.

    Args:
        found: a version with predictions.
        png: the picture to write.
        language: of its words.
    """
    say, series = words(language), found.traffic
    starts, rows = _every_span(series)
    counts, middles = rows[:, 0], starts + series.span / 2
    figure = new_figure(11, 6.6)
    above, between, below = figure.subplots(3, 1, sharex=True, height_ratios=[1.1, 1, 1])
    above.bar(starts / DAY, np.nan_to_num(counts), series.span / DAY, align="edge", color=BLUE, alpha=0.75)
    above.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    _line(between, middles, rows[:, 1] / counts, INK, "s", say("figures.unknown"))
    _line(between, middles, rows[:, 2] / counts, BLUE, "o", say("figures.review"))
    between.set_ylim(bottom=-0.04 * between.get_ylim()[1])
    _line(below, middles, rows[:, 3], GREEN, "o", "")
    for axes, name in ((above, "predictions"), (between, "shares"), (below, "confidence")):
        clean(axes, say(f"figures.{name}"))
        _mark_alarms(axes, found.alarms, say)
    for axes in (between, below):
        axes.yaxis.set_major_formatter(percent_ticks(language))
    _legend(between, 2)
    if found.alarms:
        _legend(above)
    _tell_time(
        below, starts[0], max([starts[-1] + series.span, *(one.raised for one in found.alarms)]), series.span, say
    )
    save(figure, png)


def draw_accuracy(found: VersionFacts, png: Path, language: str) -> None:
    """The accuracy of each span with its bounds, and that on held-out images.

    Args:
        found: a version with labels.
        png: the picture to write.
        language: of its words.
    """
    say, series = words(language), found.labelled
    figure = new_figure(11, 3.4)
    axes = figure.subplots()
    middles = np.array([one.start + series.span / 2 for one in series.buckets]) / DAY
    right = np.array([one.correct / one.labelled for one in series.buckets])
    ends = np.array([bounds(one.correct, one.labelled) for one in series.buckets])
    reach = np.abs(ends.T - right)
    axes.errorbar(middles, right, reach, fmt="o", color=BLUE, ecolor=BLUE, elinewidth=1, capsize=2, markersize=4)
    if found.kept.about and (tested := found.kept.about.tested):
        axes.axhline(tested.accuracy, color=INK, linestyle="--", linewidth=1, label=say("figures.held_out"))
    _mark_alarms(axes, found.alarms, say)
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(percent_ticks(language))
    clean(axes, say("figures.accuracy"))
    if axes.get_legend_handles_labels()[1]:
        _legend(axes)
    _tell_time(axes, series.buckets[0].start, series.buckets[-1].start + series.span, series.span, say)
    save(figure, png)


def draw_scores(change: Change, about: About | None, png: Path, language: str) -> bool:
    """Distributions of the scores that there are, before and since, over those of held-out images.

    Args:
        change: with predictions since.
        about: None where it is not known what held-out images are like.
        png: the picture to write.
        language: of its words.

    Returns:
        Whether there is any score to draw.
    """
    say = words(language)
    held_out = about.held_out.scores if about and about.held_out else {}
    drawn = [name for name in SCORES if np.isfinite(scores_of(change.since, name)).any()]
    if not drawn:
        return False
    figure = new_figure(3.9 * len(drawn) + 0.6, 3.3)
    for axes, name in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        before, since = (_finite(scores_of(rows, name)) for rows in (change.before, change.since))
        reference = np.interp(np.linspace(0, 1, 2000), LEVELS, held_out[name]) if name in held_out else np.empty(0)
        _draw_distributions(axes, reference, before, since, say)
        clean(axes, say(f"figures.score.{name}"))
        axes.yaxis.set_major_formatter(percent_ticks(language, 0))
        if name == "confidence":
            axes.xaxis.set_major_formatter(percent_ticks(language, 0))
    figure.axes[0].set_ylabel(say("figures.share"))
    figure.axes[0].legend(frameon=False, fontsize=9, loc="upper left")
    save(figure, png)
    return True


def _draw_distributions(axes: Axes, held_out: Floats, before: Floats, since: Floats, say: Phrases) -> None:
    ends = np.concatenate([np.quantile(one, ENDS) for one in (held_out, before, since) if len(one)])
    low, high = ends.min(), ends.max()
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    if len(held_out):
        axes.stairs(_shares(held_out, edges), edges, fill=True, color=GREY, alpha=0.3, label=say("figures.held_out"))
    if len(before):
        axes.stairs(_shares(before, edges), edges, color=BLUE, linewidth=1.8, label=say("figures.before"))
    axes.stairs(_shares(since, edges), edges, color=ORANGE, linewidth=1.8, linestyle="--", label=say("figures.since"))


def _shares(values: Floats, edges: Floats) -> Floats:
    """(BINS,), those beyond an end in the last bin."""
    counts: Floats = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values)
    return counts


def _finite(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _every_span(series: Series) -> tuple[Floats, Floats]:
    """Also those without predictions.

    Returns:
        (n,) starts in unix seconds; (n, 4) predictions, unknown, to review and mean confidence, NaN where there are no
        predictions.
    """
    first, last = series.buckets[0].start, series.buckets[-1].start
    rows = np.full((round((last - first) / series.span) + 1, 4), np.nan)
    for one in series.buckets:
        place = round((one.start - first) / series.span)
        rows[place] = one.predictions, one.unknown, one.needs_review, one.mean_confidence
    starts: Floats = first + series.span * np.arange(len(rows), dtype=np.float64)
    return starts, rows


def _line(axes: Axes, at: Floats, values: Floats, colour: str, marker: str, label: str) -> None:
    axes.plot(at / DAY, values, color=colour, marker=marker, markersize=3, linewidth=1.4, label=label)


def _mark_alarms(axes: Axes, alarms: Sequence[Begun], say: Phrases) -> None:
    """One entry of the legend for each kind of line."""
    for number, one in enumerate(alarms):
        label = "" if number else say("figures.alarm")
        axes.axvline(one.raised / DAY, color=ORANGE, linewidth=1.3, label=label)
    known = [one.at for one in alarms if one.at is not None]
    for number, at in enumerate(known):
        axes.axvline(at / DAY, color=ORANGE, linewidth=1.1, linestyle=":", label="" if number else say("figures.begun"))


def _tell_time(axes: Axes, first: float, last: float, span: float, say: Phrases) -> None:
    """Ticks in UTC; matplotlib's days begin with 1970, as unix seconds do. A few spans do not fill the width."""
    middle, reach = (first + last) / 2, max(0.52 * (last - first), LEAST_SPANS * span / 2)
    axes.set_xlim((middle - reach) / DAY, (middle + reach) / DAY)
    form = say(f"tick.{'second' if 2 * reach < 600 else 'minute' if 2 * reach < 2 * DAY else 'day'}")
    axes.xaxis.set_major_locator(AutoDateLocator(tz=UTC, maxticks=9))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: datetime.fromtimestamp(at * DAY, UTC).strftime(form)))


def _legend(axes: Axes, most: int | None = None) -> None:
    """At the right of the title, where it covers nothing; of the first so many lines alone, or of all."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[:most],
        labels[:most],
        frameon=False,
        fontsize=9,
        ncols=3,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderaxespad=0.2,
    )
