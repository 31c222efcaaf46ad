"""Where the values of a dimension lie on an axis from 0 to 1, and what is written there."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log, log10
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator

from eyas.core.language import Phrases
from eyas.core.plain_yaml import one_line
from eyas.tune.space import Choice, Dimension, Float, Int

NEAREST = 0.16
"""Two ticks are at least this far apart, so that their labels do not meet."""
LONGEST = 24
"""Characters of a choice's label."""


@dataclass(frozen=True)
class Scale:
    """The axis of one dimension."""

    dimension: Dimension
    say: Phrases

    @property
    def is_log(self) -> bool:
        """Whether equal steps are equal factors."""
        return not isinstance(self.dimension, Choice) and self.dimension.log

    def place(self, value: Any) -> float:
        """In [0, 1]; a dimension of a single value is at 1/2."""
        one = self.dimension
        if isinstance(one, Choice):
            index = next(k for k, choice in enumerate(one.choices) if type(choice) is type(value) and choice == value)
            return index / (len(one.choices) - 1) if len(one.choices) > 1 else 0.5
        low, high, value = (log(v) for v in (one.low, one.high, value)) if one.log else (one.low, one.high, value)
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        """Place and label: all choices; else both bounds, and round numbers where there is room between them."""
        one = self.dimension
        if isinstance(one, Choice):
            return [(self.place(choice), choice_label(choice)) for choice in one.choices]
        found: list[tuple[float, str]] = []
        for value in (one.low, one.high, *_round_numbers(one)):
            place = self.place(value)
            if all(abs(place - other) >= NEAREST for other, _ in found):
                found.append((place, self.say("number", value=float(value))))
        return sorted(found)

    def label(self) -> str:
        """The key, with a word where the axis is logarithmic."""
        return self.say("figure.log", key=plain(self.dimension.name)) if self.is_log else plain(self.dimension.name)

    def draw_on(self, axes: Axes, axis: Axis) -> None:
        """Ticks, label and limits of one axis of a picture."""
        ticks = self.ticks()
        axis.set_ticks([place for place, _ in ticks], [label for _, label in ticks])
        limits = (-0.06, 1.06)
        if axis is axes.xaxis:
            axes.set_xlim(*limits)
            axes.set_xlabel(self.label())
        else:
            axes.set_ylim(*limits)
            axes.set_ylabel(self.label())


def _round_numbers(one: Float | Int) -> list[float]:
    if one.high <= one.low:
        return []
    if one.log:
        powers = range(ceil(log10(one.low) - 1e-9), floor(log10(one.high) + 1e-9) + 1)
        return [10.0**power for power in powers]
    values = MaxNLocator(4, integer=isinstance(one, Int)).tick_values(one.low, one.high)
    return [float(value) for value in values if one.low < value < one.high]


def choice_label(value: Any) -> str:
    """As in YAML, lists without their brackets, cut where it is long."""
    text = one_line(value)
    text = text[1:-1] if isinstance(value, list) else text
    return plain(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


def plain(text: str) -> str:
    """`$` escaped: matplotlib would read mathematics in it."""
    return text.replace("$", r"\$")
