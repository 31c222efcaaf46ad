"""`eyas predict --url`: the same answers as of the bundle itself, in the same words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from unsteady_server import ok, problem, say, unsteady

from eyas.bundle import Bundle
from eyas.client import Client, predict_files
from support.loaded import loaded_eyas
from support.server import Server, free_port


def predict(*words: Any, cwd: Path, code: int = 0, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [loaded_eyas(), "predict", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=120, check=False, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_the_answer_is_that_of_the_bundle(
    server: Server, bundle: Bundle, digit_files: list[Path], tmp_path: Path, form: str
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    (tmp_path / "digits").symlink_to(digit_files[0].parent)  # a short name, so that the table needs no second lines
    words = ("digits", "bad.png", "empty", "gone.png", "digits/03.png", "-f", form, "--top", "4")
    here = predict(bundle.path, "serve.threads=1", *words, cwd=tmp_path, code=6)
    asked = predict("--url", server.url, *words, cwd=tmp_path, code=6)
    # The service allows fewer formats than files may have.
    every = here.stdout[here.stdout.find(b"(allowed: ") :].partition(b")")[0]
    few = asked.stdout[asked.stdout.find(b"(allowed: ") :].partition(b")")[0]
    assert asked.stdout == here.stdout.replace(every, few)
    assert asked.stdout.count(b".png") >= 17
    for said in (b"bad.png: not an image", b"empty: no image in this folder", b"gone.png: cannot be read: No such"):
        assert said in asked.stderr


def test_standard_input(server: Server, digit_files: list[Path], tmp_path: Path) -> None:
    words = ("--url", server.url, "--format", "csv")
    of_file = predict(digit_files[0], *words, cwd=tmp_path).stdout
    piped = predict("-", *words, cwd=tmp_path, input=digit_files[0].read_bytes()).stdout
    assert piped == of_file.replace(str(digit_files[0]).encode(), b"-")
    bad = predict("-", *words, cwd=tmp_path, input=b"", code=6)
    assert b"standard input: the image file is empty" in bad.stderr


def test_a_model_is_chosen(server: Server, digit_files: list[Path], tmp_path: Path) -> None:
    words = ("--url", server.url, digit_files[0])
    predict(*words, "--model", "digits", "--version", "digits-1", cwd=tmp_path)
    assert b"there is no model cats" in predict(*words, "--model", "cats", cwd=tmp_path, code=7).stderr


def test_the_token_of_the_environment_is_sent(digit_files: list[Path]) -> None:
    with unsteady(ok, say(200, {"classes": ["cat", "dog"]})) as server, Client(server.url, token="t") as client:
        (row,) = predict_files(client, digit_files[:1])
    assert [asked.path for asked in server.requests] == ["/predict", "/model-info?version=pets-1"]
    assert {asked.headers["authorization"] for asked in server.requests} == {"Bearer t"}
    assert row.top == (("dog", 0.75), ("cat", 0.25))


def test_what_is_wrong_with_every_file_ends_it(digit_files: list[Path], tmp_path: Path) -> None:
    with unsteady(problem(401, "a token is needed")) as server:
        done = predict("--url", server.url, *digit_files, cwd=tmp_path, code=7)
    told = done.stderr.decode()
    assert told.startswith(f"error: POST {server.url}/predict gave 401: a token is needed; EYAS_TOKEN must hold")
    assert told.count("\n") == 1
    assert done.stdout == b""
    assert len(server.requests) < len(digit_files)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--url", "localhost:1", "a.png"), 2, "must be http://HOST:PORT or https://…"),
        (("--url", f"http://127.0.0.1:{free_port()}", __file__), 7, "no answer: "),
        (("--url", "http://x", "a.png", "serve.threads=1"), 2, "own configuration holds: leave serve.threads=1 out"),
        (("--model", "a", "bundle", "a.png"), 2, "--model and --version choose among a service's models"),
        (("a.png",), 2, "a bundle and then images are expected, got a.png; --url asks a service instead"),
        (("serve.threads=1",), 2, "a bundle and then images are expected, got serve.threads=1"),
    ],
)
def test_mistakes_get_a_sentence_and_a_code(tmp_path: Path, words: Any, code: int, said: str) -> None:
    assert said.encode() in predict(*words, cwd=tmp_path, code=code).stderr


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path) -> None:
    code = "import sys; sys.modules['httpx'] = None; from eyas.cli import main; main()"
    command = [sys.executable, "-c", code, "predict", "--url", "http://x", "a.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 8
    assert 'httpx is not installed; this command needs it: pip install "eyas[client]"' in done.stderr
