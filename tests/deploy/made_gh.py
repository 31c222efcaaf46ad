#!/usr/bin/env python3
"""As much of GitHub's command as the pipelines use, over a folder of releases: GH_HOME/TAG/{release.json, files}."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ["GH_HOME"])


def options(words: list[str]) -> tuple[dict[str, str], list[str]]:
    found, rest = {}, []
    left = iter(words)
    for word in left:
        name, mark, value = word.partition("=")
        if not word.startswith("--"):
            rest.append(word)
        elif mark or name in {"--draft", "--exclude-drafts", "--exclude-pre-releases", "--verify-tag"}:
            found[name] = value
        else:
            found[name] = next(left)
    return found, rest


def create(found: dict[str, str], rest: list[str]) -> None:
    tag, *files = rest
    folder = HOME / tag
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    notes = Path(found["--notes-file"]).read_text()
    told = {"tagName": tag, "draft": "--draft" in found, "title": found["--title"], "notes": notes}
    (folder / "release.json").write_text(json.dumps(told))


def main() -> None:
    group, verb, *words = sys.argv[1:]
    found, rest = options(words)
    assert group == "release", group
    if verb == "list":
        releases = [json.loads(file.read_text()) for file in sorted(HOME.glob("*/release.json"), reverse=True)]
        shown = [{"tagName": one["tagName"]} for one in releases if not one["draft"]]
        subprocess.run(["jq", "--raw-output", found["--jq"]], input=json.dumps(shown), text=True, check=True)
    elif verb == "download":
        shutil.copy(HOME / rest[0] / found["--pattern"], found["--output"])
    elif verb == "create":
        create(found, rest)
    else:
        sys.exit(f"no such verb: {verb}")


main()
