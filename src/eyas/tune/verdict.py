"""What the comparison at the end says, in a sentence of no more than the numbers support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from eyas.compare.conclusion import ALPHA, say_p
from eyas.compare.statistics import Estimate
from eyas.core.language import Phrases, phrases_beside

words = phrases_beside(__file__)
"""Searches' phrases, by language."""
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
        """The difference that is told: on the test images, where there are any."""
        return self.test or self.val

    @property
    def beyond_noise(self) -> bool:
        """Whether tuning beat the baseline in accuracy on the test images, at the 5 % level; never without them."""
        return self.test is not None and self.test.mean > 0 and self.test.p < ALPHA

    def sentence(self, language: str) -> str:
        """It."""
        say = words(language)
        if self.judged is None:
            arm, why = next(iter(self.diverged.items()))
            return say("verdict.diverged", arm=say(f"arm.{arm}"), why=why)
        return say(
            "verdict.text",
            verdict=say(f"verdict.{self._outcome}"),
            span=span(self.judged, say),
            where=say("verdict.test" if self.test else "verdict.val"),
            seeds=say("verdict.seed" if self.seeds == 1 else "verdict.seeds", seeds=self.seeds),
        )

    @property
    def _outcome(self) -> str:
        if self.test is None:
            return "untested"
        if self.beyond_noise:
            return "beyond"
        return "worse" if self.test.mean < 0 and self.test.p < ALPHA else "none"


def span(found: Estimate, say: Phrases) -> str:
    """A difference in points of accuracy, whatever the search was judged by, with its interval and p."""
    mean, low, high = (100 * value for value in (found.mean, found.low, found.high))
    return say("verdict.span", mean=mean, low=low, high=high, p=say_p(found.p, say))


def standing(key: str, language: str = "en") -> str:
    """A sentence of `STANDINGS`."""
    return words(language)(f"verdict.{key}")
