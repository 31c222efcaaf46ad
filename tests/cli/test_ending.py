"""How a command ends that nobody waits for any more: by Ctrl-C, and where its output is no longer read."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from support.loaded import loaded_eyas
from support.terminal import heed_ctrl_c
from support.waiting import wait_until

SECONDS = 100


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_ctrl_c_is_told(tmp_path, flags):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes the question, and never answers
        silent.settimeout(SECONDS)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "eyas", "monitor", "--url", url, *flags],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_ctrl_c,
        )
        with process:
            try:
                asked, _ = silent.accept()
                with asked:
                    process.send_signal(signal.SIGINT)
                    said, told = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
    assert (process.returncode, said) == (130, "")
    if flags:
        assert json.loads(told)["error"] == {"type": "KeyboardInterrupt", "message": "stopped", "exit_code": 130}
    else:
        assert told == "error: stopped\n"


@pytest.mark.parametrize("words", ["data check digits", "data check digits --json", "--help", ""])
def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path, words):
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    assert reader.stdin is not None
    with reader:
        reader.wait(SECONDS)
        command = [loaded_eyas(), *words.split()]
        done = subprocess.run(
            command, cwd=tmp_path, stdout=reader.stdin, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pipe_that_breaks_elsewhere_is_a_failure(tmp_path):
    code = (
        "import eyas.cli, sys\n"
        "def broken(): raise BrokenPipeError(32, 'Broken pipe')\n"
        "eyas.cli.app.command('broken')(broken)\n"
        "sys.argv = ['eyas', 'broken']\n"
        "eyas.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (1, "error: a file: Broken pipe\n")


def test_a_comparison_that_is_stopped_says_so_beside_its_json(tmp_path):
    words = ["compare", "digits", "--study", "baseline", "--seeds", "1", "--jobs", "1", "--json", "train.epochs=900"]
    process = subprocess.Popen(
        [loaded_eyas(), *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    )
    with process:
        try:
            wait_until(lambda: any(tmp_path.glob("runs/*/runs/*/last.pt")), SECONDS)
            process.send_signal(signal.SIGINT)
            said, told = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert (process.returncode, said) == (130, "")
    assert told.splitlines()[-1] == "stopped; go on with: eyas compare --resume runs/digits-baseline-1"
