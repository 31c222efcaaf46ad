"""Take out of an environment what a server never runs, and say how much that was.

python slim.py /opt/eyas
"""

import shutil
import sys
from pathlib import Path

CUT = (
    "onnxruntime/capi/libonnxruntime.so.*",  # for programs in C: Python's module carries a copy of its own
    "onnxruntime/transformers",  # they change and quantise graphs, which is done before a bundle is made
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/datasets",
    "numpy/**/tests",
    "numpy/f2py",  # for building extensions
    "numpy/distutils",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/random/lib",
    "**/*.pyi",
    "**/*.pyx",
    "**/*.pxd",
)


def main(environment: Path) -> None:
    """Cut, and say what that gave."""
    (packages,) = environment.glob("lib/python3*/site-packages")
    before = size(packages)
    for pattern in CUT:
        found = list(packages.glob(pattern))
        if not found:
            print(f"nothing is like {pattern} any more")
        for path in found:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    print(f"{before / 1e6:.1f} MB, {(before - size(packages)) / 1e6:.1f} of them taken out")


def size(folder: Path) -> int:
    """Bytes of all files below it."""
    return sum(file.lstat().st_size for file in folder.rglob("*"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
