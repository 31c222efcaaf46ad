"""See that a release can be made of this commit, and leave its sdist and wheel in dist/.

    python tests/install/release.py BUILDER [TAG]

BUILDER is a Python with what build.lock names. Run by `make release-check`; with a tag, the version must be that one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from check import ROOT, environment, run

import eyas

HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)
FINAL = re.compile(r"\d+\.\d+\.\d+")


def main(builder: str, tag: str) -> None:
    if troubles := disagreements(eyas.__version__, (ROOT / "CHANGELOG.md").read_text(), tag):
        sys.exit("\n".join(troubles))
    print(run([sys.executable, str(ROOT / "tests" / "install" / "licences.py"), "--check"]).strip())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made = twice(builder, work)
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
        shutil.copytree(made, ROOT / "dist")
        wheel = next((ROOT / "dist").glob("*.whl"))
        python = environment(work / "clean", "[serve,train]", wheel)
        (work / "elsewhere").mkdir()
        said = run([python, "-P", "-m", "eyas", "demo"], folder=work / "elsewhere", seconds=1800)
        assert "it lies here" in said, said
        place = run([python, "-P", "-c", "import eyas; print(eyas.__file__)"], folder=work / "elsewhere").strip()
        assert place.startswith(str(work / "clean")), place
    print(f"{wheel.name} is installed alone, and its demo runs")


def disagreements(version: str, changelog: str, tag: str = "") -> list[str]:
    """What is wrong between the version, the changelog's headings, newest first, and the tag, where there is one."""
    headings = list(HEADING.finditer(changelog))
    names = [heading["version"] for heading in headings]
    found = []
    if names[:1] != ["Unreleased"]:
        found.append(f"CHANGELOG.md must begin with [Unreleased], got {names[:1]}")
    found += [f"CHANGELOG.md: {h['version']} lacks its date" for h in headings[1:] if not h["date"]]
    numbers = [tuple(map(int, name.split("."))) for name in names[1:] if FINAL.fullmatch(name)]
    if numbers != sorted(set(numbers), reverse=True) or len(numbers) != len(names[1:]):
        found.append(f"CHANGELOG.md must have versions X.Y.Z, the newest first, got {', '.join(names[1:])}")
    if FINAL.fullmatch(version) and names[1:2] != [version]:
        found.append(f"eyas.__version__ is {version}, the changelog's newest version {(names[1:2] or ['none'])[0]}")
    if tag and tag != f"v{version}":
        found.append(f"the tag must be v{version}, as eyas.__version__ has it, got {tag}")
    if tag and not FINAL.fullmatch(version):
        found.append(f"a release must be X.Y.Z, eyas.__version__ is {version}")
    return found


def twice(builder: str, work: Path) -> Path:
    """Build in two places, with other paths, times and rights, and from the sdist; all must be the same to the byte."""
    made = [build(builder, checkout(work / place), mask) for place, mask in (("a", 0o022), ("b/longer/path", 0o077))]
    sums = [digests(folder) for folder in made]
    assert sums[0] == sums[1], f"two builds differ: {sums[0]} and {sums[1]}"
    (work / "c").mkdir()
    with tarfile.open(next(made[0].glob("*.tar.gz"))) as sdist:
        sdist.extractall(work / "c", filter="data")
    again = digests(build(builder, next((work / "c").iterdir()), 0o022))
    wheels = [{name: digest for name, digest in one.items() if name.endswith(".whl")} for one in (sums[0], again)]
    assert wheels[0] == wheels[1], f"the sdist makes another wheel: {wheels[0]} and {wheels[1]}"
    for name, digest in sums[0].items():
        print(f"{digest}  {name}")
    return made[0]


def checkout(folder: Path) -> Path:
    """What is committed."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract", "--touch", "--directory", str(folder)], input=archive, check=True)
    return folder


def build(builder: str, source: Path, mask: int) -> Path:
    """dist/ of a source folder."""
    date = run(["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]).strip()
    subprocess.run(
        [builder, "-m", "build", "--no-isolation", "--sdist", "--wheel", "."],
        cwd=source,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": date},
        umask=mask,
    )
    return source / "dist"


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 by file."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).absolute()), sys.argv[2] if len(sys.argv) > 2 else "")
