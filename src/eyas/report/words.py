"""The words of reports and their pictures."""

from __future__ import annotations

from matplotlib.ticker import PercentFormatter

from eyas.core.language import NARROW_SPACE, phrases_beside

words = phrases_beside(__file__)
"""Reports' phrases, by language."""


def percent_ticks(language: str, decimals: int | None = None) -> PercentFormatter:
    """Shares as per cent, in the language's way of writing them; as many decimals as the axis needs."""
    return FrenchPercent(1, decimals) if language == "fr" else PercentFormatter(1, decimals)


class FrenchPercent(PercentFormatter):
    """`12,5 %`."""

    def format_pct(self, x: float, display_range: float) -> str:
        """One tick."""
        return super().format_pct(x, display_range).replace(".", ",").replace("%", NARROW_SPACE + "%")
