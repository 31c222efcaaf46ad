"""A real PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.server import free_port

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), default=None)
PASSWORD = "s3cret-Of-The-Study"
needs_postgres = pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed: apt-get install postgresql")


class Postgres:
    """A cluster in a folder of its own, on 127.0.0.1 alone. Its server refuses to run as root."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._data = folder / "data"
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        word = folder / "password"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        self._run("initdb", "--username=me", "--auth=scram-sha-256", f"--pwfile={word}", "--no-sync")
        self.url = f"postgresql://me:{PASSWORD}@127.0.0.1:{self._port}/postgres"
        self.sqlalchemy_url = self.url.replace("://", "+psycopg://")

    def start(self) -> None:
        """Ready when it returns."""
        options = f"-p {self._port} -h 127.0.0.1 -k {self._folder} -c fsync=off"
        self._run("pg_ctl", "start", "--wait", f"--log={self._folder}/log", f"--options={options}")

    def stop(self) -> None:
        """At once, as if it had died."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def _run(self, program: str, *words: str) -> None:
        assert PROGRAMS
        command = [str(PROGRAMS.with_name(program)), f"--pgdata={self._data}", *words]
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        done = subprocess.run(
            [*user, *command],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout.decode()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """One for the block."""
    with tempfile.TemporaryDirectory(prefix="eyas-postgres-") as folder:  # pytest's own no other user may enter
        server = Postgres(Path(folder))
        server.start()
        yield server
        with suppress(AssertionError):  # a test may have left it stopped
            server.stop()
