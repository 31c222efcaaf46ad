"""What a report was made with."""

from __future__ import annotations

import platform
from importlib.metadata import version

from eyas import __version__
from eyas.core import machine

LIBRARIES = ("torch", "numpy", "onnxruntime", "scikit-learn")


def environment(*libraries: str) -> dict[str, str]:
    """Versions of what decides the figures, these libraries' too, and the machine."""
    return {
        "eyas": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in (*LIBRARIES, *libraries)},
        "platform": platform.platform(),
        "processor": f"{machine.cpu_name()}, {machine.usable_cores()} cores",
    }
