"""What `coverage json` says, by package: statements and branches that the tests have run, in percent.

    python tests/quality/coverage_by_package.py coverage.json

A branch is a way from one line to another: of `if x: y()` both ways count, the one around `y()` too.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

COUNTS = ("covered_lines", "num_statements", "covered_branches", "num_branches")


def by_package(files: dict[str, Any]) -> dict[str, Counter[str]]:
    """The counts of each package of eyas, and of all of it.

    Args:
        files: by path, of coverage's JSON.
    """
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for path, of_file in files.items():
        inside = path.rpartition("src/eyas/")[2].split("/")
        package = inside[0] if len(inside) > 1 else "eyas"
        for name in (package, "all"):
            found[name].update({count: of_file["summary"][count] for count in COUNTS})
    return found


def percent(part: int, whole: int) -> str:
    """Of nothing, all was run."""
    return f"{100 * part / whole if whole else 100:.1f} %"


def table(found: dict[str, Counter[str]]) -> list[str]:
    """A line for each package, the least covered first, and one for all."""

    def share(name: str) -> float:
        return found[name]["covered_branches"] / (found[name]["num_branches"] or 1)

    rows = [("package", "statements", "run", "branches", "run")]
    for name in [*sorted(found.keys() - {"all"}, key=share), "all"]:
        lines, statements, taken, branches = (found[name][count] for count in COUNTS)
        rows.append((name, f"{statements:,}", percent(lines, statements), f"{branches:,}", percent(taken, branches)))
    return [f"{name:<12}{''.join(f'{cell:>12}' for cell in cells)}" for name, *cells in rows]


if __name__ == "__main__":
    print("\n".join(table(by_package(json.loads(Path(sys.argv[1]).read_text())["files"]))))
