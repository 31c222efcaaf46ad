"""What the comparison at the end says, in a sentence of no more than the numbers support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from eyas.compare.conclusion import ALPHA
from eyas.compare.statistics import Estimate
from eyas.core.language import Phrases
from eyas.tune.words import words

STANDINGS = ("same", "open", "waiting")
"""Where there is no comparison: the best is the baseline, the search is not over, or the comparison is not made yet."""


@dataclass(frozen=True)
class Verdict:
    """Of tuned less baseline."""

    val: Estimate | None
    """On the validation images, by which the tuned one was chosen. None where one diverged."""
    test: Estimate | None
    """On the test images; None without any."""
    seeds: int
    diverged: Mapping[str, str]
    """Arm → why."""

    @classmethod
    def from_json(cls, final: Mapping[str, Any]) -> Self:
        """Of `final` in `optimization_results.json`."""
        val, test = (Estimate(**final[key]) if final[key] else None for key in ("val_difference", "test_difference"))
        return cls(val, test, len(final["seeds"]), final["diverged"])

    @property
    def judged(self) -> Estimate | None:
        """The difference that decides."""
        return self.test or self.val

    @property
    def beyond_noise(self) -> bool:
        """Whether tuning beat the baseline on the test images, at the 5 % level; without those, on validation."""
        return self.judged is not None and self.judged.mean > 0 and self.judged.p < ALPHA

    def sentence(self, language: str) -> str:
        """It."""
        say = words(language)
        if self.judged is None:
            arm, why = next(iter(self.diverged.items()))
            return say("verdict.diverged", arm=say(f"arm.{arm}"), why=why)
        return say(
            "verdict.text",
            verdict=say(f"verdict.{self._outcome(self.judged)}"),
            span=span(self.judged, say),
            where=say("verdict.test" if self.test else "verdict.val"),
            seeds=say("verdict.seed" if self.seeds == 1 else "verdict.seeds", seeds=self.seeds),
        )

    def _outcome(self, judged: Estimate) -> str:
        if self.beyond_noise:
            return "beyond"
        return "worse" if judged.mean < 0 and judged.p < ALPHA else "none"


def span(found: Estimate, say: Phrases) -> str:
    """A difference in points, with its interval and p."""
    mean, low, high = (100 * value for value in (found.mean, found.low, found.high))
    return say("verdict.span", mean=mean, low=low, high=high, p=say_p(found.p, say))


def say_p(p: float, say: Phrases) -> str:
    """`= 0.012`, or `< 0.001`."""
    return say("p.below") if p < 0.001 else say("p.is", p=p)


def standing(key: str, language: str = "en") -> str:
    """A sentence of `STANDINGS`."""
    return words(language)(f"verdict.{key}")
