"""Servers over bundles that stand for revisions of a service, and the `eyas` command against them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.bundles import make_bundle
from support.loaded import loaded_eyas
from support.server import running


@dataclass(frozen=True)
class Live:
    """Bundles by name, and the address of a server over each.

    `old` is version 1; `new` is version 2 and answers otherwise; `wrong` says that it is version 2, and is not.
    """

    bundles: dict[str, Path]
    urls: dict[str, str]


@contextmanager
def live_servers(folder: Path) -> Iterator[Live]:
    """All of them, running."""
    made = {
        "old": make_bundle(folder / "old", version="1"),
        "new": make_bundle(folder / "new", version="2", sharpness=0.8),
        "wrong": make_bundle(folder / "wrong", version="2", sharpness=0.5),
    }
    paths = {name: bundle.path for name, bundle in made.items()}
    with ExitStack() as stack:
        yield Live(paths, {name: stack.enter_context(running(path, workers=1)).url for name, path in paths.items()})


def eyas(*words: object, code: int = 0, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """What the command says, on both streams; the exit code must be `code`."""
    done = subprocess.run(
        [loaded_eyas(), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env=os.environ | (env or {}),
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr
