"""The licences of all that eyas installs, by the metadata of what is installed here.

python tests/install/licences.py            write docs/licences.md
python tests/install/licences.py --check    say what is unknown, forbidden, not in it, or not installed
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"
BESIDE = ROOT / "build" / "boto3"
"""Where make puts what does not fit into requirements.lock."""
NOT_FOR_USERS = ("all", "dev", "docs")
STRONG = re.compile(
    r"\b(A?GPL|SSPL|EUPL|OSL|BUSL)|General Public|Affero|Commons Clause|NonCommercial|Proprietary", re.IGNORECASE
)
"""What would ask something of those who serve a model. The Lesser GPL, the Mozilla licence and their like do not."""
WEAK = re.compile(r"\bLGPL|Lesser General Public", re.IGNORECASE)
READ = {"namex": "Apache-2.0", "sigstore-models": "MIT"}
"""Of those whose metadata say nothing: read in their sources."""
HEAD = """# Licences

eyas is under the MIT licence. This is what it installs, by extra, and under what. `make licences` writes the page;
`make release-check` refuses a library whose licence is unknown, or whose copyleft reaches those who use it.

| library | licence | installed by |
| --- | --- | --- |
"""


@dataclass(frozen=True)
class Library:
    """An installed distribution."""

    name: str
    licence: str
    """Empty where nothing says it."""
    extras: tuple[str, ...]
    """Whose own requirements bring it; `eyas` is what every installation has."""

    @property
    def row(self) -> str:
        return f"| {self.name} | {self.licence} | {', '.join(self.extras)} |"

    @property
    def trouble(self) -> str:
        if not self.licence:
            return f"{self.name}: its licence is unknown; read it, and say it in READ of {Path(__file__).name}"
        if STRONG.search(WEAK.sub("", self.licence)):
            return f"{self.name}: {self.licence} is not for {', '.join(self.extras)}"
        return ""


def libraries() -> tuple[list[Library], dict[str, str]]:
    """Of every extra that is wholly installed; and each other extra with the first library that it lacks."""
    sys.path += [str(BESIDE)] if str(BESIDE) not in sys.path else []  # behind the environment's own
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {"eyas": project["dependencies"], **project["optional-dependencies"]}
    users: dict[str, list[str]] = {}
    left_out: dict[str, str] = {}
    for extra, lines in extras.items():
        if extra in NOT_FOR_USERS:
            continue
        try:
            found = set(_closure([one for one in map(Requirement, lines) if one.name != "eyas"]))
        except PackageNotFoundError as error:
            left_out[extra] = str(error.name)
            continue
        for name in found:
            users.setdefault(name, []).append(extra)
    return [_library(name, by) for name, by in sorted(users.items())], left_out


def _closure(wanted: list[Requirement]) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
                continue
            seen.add((name, extra))
            for line in distribution(name).requires or ():
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    needed.marker = None
                    wanted.append(needed)
            yield name


def _library(name: str, extras: list[str]) -> Library:
    everywhere = "eyas" in extras
    found = distribution(name).metadata
    return Library(name, READ.get(name) or _licence(found), ("eyas",) if everywhere else tuple(sorted(extras)))


def _licence(metadata: PackageMetadata) -> str:
    """The SPDX expression, the classifiers, or the first line of what stands there, in this order."""
    values = metadata.json
    if expression := values.get("license_expression"):
        return str(expression)
    named = [str(line).rpartition(" :: ")[2] for line in values.get("classifier", []) if line.startswith("License ::")]
    named = [name for name in named if name not in {"OSI Approved", "Other/Proprietary License"}]
    if named:
        return ", ".join(named)
    return str(values.get("license", "")).strip().partition("\n")[0].strip()


def main() -> None:
    found, left_out = libraries()
    troubles = [f"the extra {extra} is left out: {name} is not installed here" for extra, name in left_out.items()]
    if "--check" not in sys.argv:
        if troubles:
            sys.exit("\n".join(troubles))
        PAGE.write_text(HEAD + "".join(f"{one.row}\n" for one in found))
        return
    listed = set(PAGE.read_text().splitlines())
    troubles += [one.trouble for one in found if one.trouble]
    troubles += [f"docs/licences.md lacks {one.row}; make licences" for one in found if one.row not in listed]
    if troubles:
        sys.exit("\n".join(troubles))
    print(f"{len(found)} libraries, each under a licence that is known and asks nothing of users")


if __name__ == "__main__":
    main()
