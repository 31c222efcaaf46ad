"""Where the pipelines' scripts are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.loaded import loaded_eyas

SCRIPTS = Path(__file__).parents[2] / "deploy" / "pipelines"
SYSTEM = "/usr/local/bin:/usr/bin:/bin"


class Place:
    """A folder with programs of its own, in which scripts are run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs, self.releases = folder, folder / "programs", folder / "releases"
        self.log = folder / "log"
        for made in (self.programs, self.releases):
            made.mkdir()

    def program(self, name: str, script: str = "") -> None:
        """One that writes down how it was called."""
        file = self.programs / name
        file.write_text(f'#!/usr/bin/env bash\necho "{name} $*" >> {self.log}\n{script}\n')
        file.chmod(0o755)

    def github(self) -> None:
        if shutil.which("jq") is None:
            pytest.skip("jq is not installed: apt-get install jq")
        (self.programs / "gh").symlink_to(Path(__file__).with_name("made_gh.py"))
        Path(__file__).with_name("made_gh.py").chmod(0o755)

    def run(
        self, script: str | Path, *words: object, code: int = 0, first: Path | None = None, **variables: str
    ) -> str:
        done = subprocess.run(
            [str(SCRIPTS / script), *map(str, words)],
            cwd=self.folder,
            env=self._environment(first) | variables,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def start(self, script: str, *words: object, **variables: str) -> subprocess.Popen[str]:
        """Both streams are its stdout."""
        return subprocess.Popen(
            [str(SCRIPTS / script), *map(str, words)],
            cwd=self.folder,
            env=self._environment(None) | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _environment(self, first: Path | None) -> dict[str, str]:
        own = [first] if first else [Path(loaded_eyas()).parent, Path(sys.executable).parent]
        path = [self.programs, *own, SYSTEM]
        return {**os.environ, "PATH": os.pathsep.join(map(str, path)), "GH_HOME": str(self.releases)}

    def called(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []
