"""What all pictures of one search show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from matplotlib.ticker import Formatter, FuncFormatter

from eyas.core.language import Phrases
from eyas.report.words import percent_ticks
from eyas.tune.configurations import Configuration, configurations, ranked
from eyas.tune.importance import Importance, importance
from eyas.tune.plan import TunePlan
from eyas.tune.records import TrialRecord
from eyas.tune.verdict import words

SHARES = ("accuracy", "top5", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class Scene:
    """A search as it stands, in one language."""

    plan: TunePlan
    records: Sequence[TrialRecord]
    language: str

    @property
    def say(self) -> Phrases:
        """The phrases."""
        return words(self.language)

    @cached_property
    def configurations(self) -> list[Configuration]:
        """All, by number."""
        return configurations(self.records, self.plan.rungs)

    @cached_property
    def ranked(self) -> list[Configuration]:
        """Those that have a value, the best first; the baseline among them."""
        return ranked(self.configurations, rising=self.plan.rising)

    @property
    def best(self) -> Configuration | None:
        """The first of them that is not the baseline."""
        return next((one for one in self.ranked if not one.baseline), None)

    @property
    def baseline(self) -> Configuration | None:
        """None where it has no value."""
        return next((one for one in self.ranked if one.baseline), None)

    @property
    def top(self) -> int:
        """The highest rung."""
        return len(self.plan.rungs) - 1

    @cached_property
    def importance(self) -> Importance:
        """Of the dimensions."""
        return importance(self.configurations, self.plan.space)

    def rung(self, rung: int) -> str:
        """In words."""
        epochs = self.plan.rungs[rung]
        key = "figure.rung" if epochs > 1 else "figure.rung_one"
        return self.say(key, rung=rung + 1, rungs=len(self.plan.rungs), epochs=epochs)

    def shown(self, value: float) -> str:
        """A value of the metric."""
        return self.say("share", value=value)

    @property
    def is_share(self) -> bool:
        """Whether the metric is a share, or a mean of shares, which is written in per cent."""
        return self.plan.metric.removeprefix("val_") in SHARES

    def tick(self, value: float) -> str:
        """A round value of the metric."""
        return self.say("per_cent", value=100 * value) if self.is_share else self.say("number", value=value)

    def formatter(self) -> Formatter:
        """Of an axis of the metric."""
        return percent_ticks(self.language) if self.is_share else FuncFormatter(lambda value, _: self.tick(value))
