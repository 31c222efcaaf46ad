"""A Markdown page's commands, run as they stand there, in order, in one folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from support.loaded import loaded_eyas, without_terminal

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"\n\n```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
MARK = "\x1e"
"""Printed between two blocks."""
FIGURE = re.compile(r'!\[[^\]]*\]\((\S+) "([^"]+)"\)')


def has_commands(page: Path) -> bool:
    """Whether anything on the page is run."""
    return bool(BLOCK.search(page.read_text()))


def figures(page: Path) -> list[tuple[Path, str]]:
    """Each picture that says in its title which file it is: the committed picture, and that file's path."""
    return [((page.parent / target).resolve(), made) for target, made in FIGURE.findall(page.read_text())]


def shown_outputs(text: str) -> list[tuple[int, str]]:
    """The `text` blocks right behind blocks that are run: which of those, from 0, and what it is said to print."""
    blocks = enumerate(BLOCK.finditer(text))
    return [(index, shown[1]) for index, block in blocks if (shown := SHOWN.match(text, block.end()))]


def run_page(page: Path, folder: Path, timeout: float = 240, *, fresh: bool = False) -> str:
    """`run_blocks`, what the commands printed in one piece."""
    return "".join(run_blocks(page, folder, timeout, fresh=fresh))


def run_blocks(page: Path, folder: Path, timeout: float = 240, *, fresh: bool = False) -> list[str]:
    """Run every `sh` and `python` block of the page in `folder`, beside a copy of `docs/seven.png`.

    `fresh`: `eyas` loads all that it imports anew, as a reader's does.

    Returns:
        What each block's commands printed.

    Raises:
        AssertionError: a command failed; the message holds all that was printed.
    """
    (folder / "docs").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "docs" / "seven.png", folder / "docs")
    first = [] if fresh else [str(Path(loaded_eyas()).parent)]
    path = os.pathsep.join([*first, str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = subprocess.Popen(
        ["bash", "-c", _script(page.read_text(), _free_port())],
        cwd=folder,
        # Threads that spin while they wait are 17 times slower where other tests want the cores too.
        env={**without_terminal(), "PATH": path, "OMP_WAIT_POLICY": "passive"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, errors = shell.communicate(timeout=timeout)
    except BaseException:  # its server would outlive it
        os.killpg(shell.pid, signal.SIGKILL)
        raise
    if shell.returncode:
        raise AssertionError(f"{page.name}: exit code {shell.returncode}\n{said}{errors}")
    return said.split(MARK)[:-1]


def _script(text: str, port: int) -> str:
    """All blocks as one shell script; a server is waited for where the page's reader would look at it."""
    lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for language, block in BLOCK.findall(text):
        here = block.replace("localhost:5000", f"127.0.0.1:{port}").replace("--port 5000", f"--port {port}")
        lines.append(here if language == "sh" else f"python - <<'PYTHON'\n{here}PYTHON")
        if "eyas serve" in block:
            retries = "--retry 100 --retry-all-errors --retry-delay 0 --retry-max-time 30"
            lines.append(f"curl --silent --fail {retries} 127.0.0.1:{port}/readyz")
        lines.append(f"printf '%b' '\\x{ord(MARK):02x}'")
    return "\n".join(lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
