"""How rounds are told: a median with its spread, and each bar beside what was reached."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

Row = Sequence[object]


def spread(values: Sequence[float], digits: int = 0, scale: float = 1) -> str:
    """Median (least to most)."""
    shown = [value * scale for value in values]
    return f"{statistics.median(shown):,.{digits}f} ({min(shown):,.{digits}f} to {max(shown):,.{digits}f})"


def print_table(title: str, columns: Row, rows: Sequence[Row]) -> None:
    """Plain text, the first column left, the others right."""
    cells = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for row in cells:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join((first.strip().ljust(widths[0]), *others)).rstrip())


def at_least(bar: float, unit: str = "") -> Callable[[Sequence[float]], str]:
    """The bar, and whether the median reaches it."""
    return lambda values: f"≥ {bar:g}{unit} {_said(statistics.median(values) >= bar)}"


def at_most(bar: float, unit: str = "") -> Callable[[Sequence[float]], str]:
    """The bar, and whether the median keeps within it."""
    return lambda values: f"≤ {bar:g}{unit} {_said(statistics.median(values) <= bar)}"


def _said(reached: bool) -> str:
    return "met" if reached else "MISSED"
