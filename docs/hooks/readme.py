"""Renew what the README shows of its tour: the outputs, by running its commands, and the pictures that they draw.

make readme
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from figures import ROOT, copy_small

sys.path.insert(0, str(ROOT / "tests"))

from support.pages import BLOCK, SHOWN, figures, run_blocks
from support.printed import CUT

README = ROOT / "README.md"


def main() -> None:
    """Run, rewrite, copy."""
    with tempfile.TemporaryDirectory() as folder:
        printed = run_blocks(README, Path(folder), timeout=600)
        README.write_text(renewed(README.read_text(), printed))
        for target, made in figures(README):
            copy_small(Path(folder) / made, target)
            print(f"drew {target.relative_to(ROOT)}: {target.stat().st_size / 1000:.0f} kB")


def renewed(text: str, printed: list[str]) -> str:
    """The page with each shown output as it was printed now; what was cut is cut after as many lines."""
    parts, end = [], 0
    for block, said in zip(BLOCK.finditer(text), printed, strict=True):
        if not (shown := SHOWN.match(text, block.end())):
            continue
        lines = [line.rstrip() for line in said.strip().splitlines()]
        before = shown[1].splitlines()
        if before[-1] == CUT:
            lines = [*lines[: len(before) - 1], CUT]
        parts += [text[end : shown.start(1)], "\n".join(lines), "\n"]
        end = shown.end(1)
    return "".join([*parts, text[end:]])


if __name__ == "__main__":
    main()
