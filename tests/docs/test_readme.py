"""The README's commands, run as they stand there, in order, in one folder."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _script(port):
    """All blocks as one shell script; the server is waited for where the README's reader would look at it."""
    lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for language, block in BLOCKS:
        text = block.replace("localhost:5000", f"127.0.0.1:{port}").replace("--port 5000", f"--port {port}")
        lines.append(text if language == "sh" else f"python - <<'PYTHON'\n{text}PYTHON")
        if "eyas serve" in block:
            retries = "--retry 100 --retry-all-errors --retry-delay 0 --retry-max-time 30"
            lines.append(f"curl --silent --fail {retries} 127.0.0.1:{port}/readyz")
    return "\n".join(lines)


def test_every_command_of_the_readme_runs(tmp_path, port):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", _script(port)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"labels":["7"]') == 3
    assert re.search(r"7 with \d+\.\d%", done.stdout)
    assert (tmp_path / "eyas.yaml").exists()


def test_every_verb_is_in_the_readme():
    listed = subprocess.run([sys.executable, "-m", "eyas", "--help"], capture_output=True, text=True, check=True).stdout
    verbs = re.findall(r"^  ([\w-]+) +\w", listed.partition("Commands:")[2], re.MULTILINE)
    assert len(verbs) >= 9
    assert [verb for verb in verbs if f"eyas {verb}" not in README] == []


def test_links_to_files_lead_somewhere():
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README + (ROOT / "CONTRIBUTING.md").read_text())
    assert [target for target in targets if not (ROOT / target).exists()] == []
