"""What extras of eyas bring with them, with all that this needs in turn, as a lock: NAME==VERSION, as installed here.

    python closure.py pyproject.toml serve,postgres > serve.lock

`make lock` runs it where everything in requirements.lock is installed. An image then installs what its lock names, and
pip has nothing to decide.
"""

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def lock(project: Path, extras: str) -> list[str]:
    """The lines for some extras, named with commas."""
    own = tomllib.loads(project.read_text())["project"]
    seen: set[tuple[str, str]] = set()
    for extra in extras.split(","):
        _add(own["dependencies"] + own["optional-dependencies"][extra], "", own, seen)
    names = sorted({name for name, _ in seen} - {own["name"]})
    return [f"{name}=={distribution(name).version.partition('+')[0]}" for name in names]


def _add(lines: Iterable[str], extra: str, own: dict, seen: set[tuple[str, str]]) -> None:
    """Each requirement that holds on this platform, and what it needs."""
    for wanted in map(Requirement, lines):
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        for key in [(name, one) for one in ("", *sorted(wanted.extras)) if (name, one) not in seen]:
            seen.add(key)
            _add(
                own["optional-dependencies"].get(key[1], ()) if name == own["name"] else _needs(name), key[1], own, seen
            )


def _needs(name: str) -> list[str]:
    return distribution(name).requires or []


if __name__ == "__main__":
    print(f"# eyas[{sys.argv[2]}]; make lock renews it.")
    print("\n".join(lock(Path(sys.argv[1]), sys.argv[2])))
