"""What extras of pyproject.toml ask for, a line each, so that libraries are installed before the sources are copied.

python requirements.py serve,postgres > wanted.txt
"""

import re
import sys
import tomllib
from pathlib import Path


def wanted(project: dict, extras: list[str]) -> set[str]:
    """The requirements of a project and its extras; an extra that names others (`eyas[train]`) brings theirs."""
    found = set(project["dependencies"])
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            own = re.fullmatch(rf"{project['name']}\[(.+)\]", line)
            found |= wanted(project, own[1].split(",")) if own else {line}
    return found


if __name__ == "__main__":
    content = tomllib.loads(Path("pyproject.toml").read_text())
    print("\n".join(sorted(wanted(content["project"], sys.argv[1].split(",")))))
