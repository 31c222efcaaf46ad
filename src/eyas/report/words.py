"""The words of reports and their pictures."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from matplotlib.ticker import PercentFormatter

from eyas.core.language import NARROW_SPACE, Phrases

TEXTS = Path(__file__).parent / "texts"


@lru_cache
def words(language: str) -> Phrases:
    """Reports' phrases in this language.

    Raises:
        ConfigError: a language that there is none for.
    """
    return Phrases(TEXTS, language)


def percent_ticks(language: str, decimals: int | None = None) -> PercentFormatter:
    """Shares as per cent, in the language's way of writing them; as many decimals as the axis needs."""
    return FrenchPercent(1, decimals) if language == "fr" else PercentFormatter(1, decimals)


class FrenchPercent(PercentFormatter):
    """`12,5 %`."""

    def format_pct(self, x: float, display_range: float) -> str:
        """One tick."""
        return super().format_pct(x, display_range).replace(".", ",").replace("%", NARROW_SPACE + "%")
