"""What a requirement brings with it, with all that this needs in turn, as a lock: NAME==VERSION, as installed here.

    python closure.py pyproject.toml "eyas[serve,postgres]" > serve.lock
    python closure.py pyproject.toml "ray[default]" train.lock > ray.lock    what train.lock does not have

`make lock` runs it where all of that is installed. An image then installs what its lock names, and pip has nothing to
decide.
"""

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def lock(project: Path, wanted: str, beside: Path | None = None) -> list[str]:
    """The lines for a requirement; of eyas itself by `project`. What the lock `beside` names is left out."""
    own = tomllib.loads(project.read_text())["project"]
    seen: set[tuple[str, str]] = set()
    _add([wanted], "", own, seen)
    there = {line.partition("==")[0] for line in beside.read_text().splitlines()} if beside else set()
    names = sorted({name for name, _ in seen} - {own["name"]} - there)
    return [f"{name}=={distribution(name).version.partition('+')[0]}" for name in names]


def _add(lines: Iterable[str], extra: str, own: dict, seen: set[tuple[str, str]]) -> None:
    """Each requirement that holds on this platform, and what it needs."""
    for wanted in map(Requirement, lines):
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        for key in [(name, one) for one in ("", *sorted(wanted.extras)) if (name, one) not in seen]:
            seen.add(key)
            _add(_own(own, key[1]) if name == own["name"] else distribution(name).requires or [], key[1], own, seen)


def _own(own: dict, extra: str) -> list[str]:
    """What eyas needs, or what an extra of it does."""
    return own["optional-dependencies"][extra] if extra else own["dependencies"]


if __name__ == "__main__":
    besides = [Path(name) for name in sys.argv[3:]]
    print(f"# {sys.argv[2]}{''.join(f' beside {file.name}' for file in besides)}; make lock renews it.")
    print("\n".join(lock(Path(sys.argv[1]), sys.argv[2], *besides)))
