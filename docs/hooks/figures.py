"""Draw the site's figures anew, by the very commands of its pages.

    make docs-figures

A picture on a page names in its title the file that the page's commands draw: ![…](../figures/NAME.png "runs/…").
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.pages import figures, run_page  # noqa: E402 - the folder of tests is no package

WIDTH = 1300
COLOURS = 128


def main() -> None:
    """Every page, or those whose names (`optimisers`) are given."""
    wanted = sys.argv[1:]
    for page in sorted((ROOT / "docs").rglob("*.md")):
        if not (drawn := figures(page)) or (wanted and page.stem not in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            print(run_page(page, Path(folder), timeout=900))
            for target, made in drawn:
                copy_small(Path(folder) / made, target)
                print(f"drew {target.relative_to(ROOT)}: {target.stat().st_size / 1000:.0f} kB")


def copy_small(source: Path, target: Path) -> None:
    """A picture with fewer pixels and colours: what a page shows, at a fraction of the size."""
    with Image.open(source) as picture:
        small = picture.convert("RGB")
        if small.width > WIDTH:
            small = small.resize((WIDTH, round(small.height * WIDTH / small.width)), Image.Resampling.LANCZOS)
        target.parent.mkdir(exist_ok=True)
        small.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    main()
