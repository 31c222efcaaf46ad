"""`--json`: one document on standard output, nothing else there; an error is one on standard error."""

import json
import subprocess

import pytest

from support.bundles import make_bundle
from support.loaded import loaded_eyas


def eyas(here, *words, code=0):
    """What it prints, as the document that it is, and standard error."""
    command = [loaded_eyas(), *map(str, words), "--json"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return (json.loads(done.stdout) if done.stdout else None), done.stderr


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("here")
    make_bundle(folder / "one", version="1", data="digits")
    make_bundle(folder / "two", version="2", sharpness=1.1, data="digits")
    return folder


def test_a_repository_from_its_first_version_to_a_backup(here):
    assert eyas(here, "models", "publish", "one", "models", "--live")[0]["live"] is True
    assert eyas(here, "models", "publish", "two", "models")[0]["path"] == "models/digits/2"
    assert eyas(here, "models", "live", "models", "digits", "1")[0] == {"model": "digits", "live": "1"}
    begun, _ = eyas(here, "rollout", "start", "models", "digits", "2", "--canary", "5%", "--ungated")
    assert (begun["status"], begun["plan"]["challenger"]) == ("running", "2")
    assert eyas(here, "rollout", "rollback", "models", "digits", "--why", "a test")[0]["status"] == "rolled back"
    assert len(eyas(here, "rollout", "status", "models", "digits")[0]) == 2
    made, _ = eyas(here, "backup", "models", "--to", "backup")
    assert (made["live"], made["store"]) == ({"digits": "1"}, None)
    assert eyas(here, "restore", "backup", "again")[0]["live"] == {"digits": "1"}
    assert eyas(here, "models", "remove", "models", "digits", "2")[0]["removed"] == "2"


def test_files_that_are_written_are_named(here):
    assert eyas(here, "init", "small.yaml")[0] == {"wrote": ["small.yaml"], "next": "eyas train --config small.yaml"}
    assert eyas(here, "init", "--dvc", "data.source=digits")[0]["wrote"] == ["dvc.yaml", "params.yaml"]
    assert eyas(here, "token", "--new-secret", "secret")[0]["wrote"] == ["secret"]
    words = ("--bundle", "one", "--image", "registry.example.com/digits:1")
    found, _ = eyas(here, "deploy", "k8s", *words, "--out", "k8s")
    assert all((here / file).is_file() for file in found["wrote"])
    assert found["next"] == "kubectl apply -k k8s"
    assert eyas(here, "deploy", "image", "one", "--out", "image")[0]["built"] is False


def test_a_token_comes_with_what_it_is_for(here):
    eyas(here, "token", "--new-secret", "key")
    words = ("--sub", "ann", "--scope", "predict", "serve.auth.secret_file=key")
    issued, _ = eyas(here, "token", *words)
    assert issued["token"].count(".") == 2
    assert (issued["sub"], issued["scope"]) == ("ann", ["predict"])


def test_an_answer_and_an_error_come_apart(here):
    rows, said = eyas(here, "predict", "one", "gone.png", code=6)
    assert rows[0]["error"]
    (line,) = said.splitlines()
    assert json.loads(line)["error"]["type"] == "InputError"


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("train", "--nope"), 2, "UsageError"),
        (("evaluate",), 2, "UsageError"),
        (("nothing",), 2, "UsageError"),
        (("--json", "doctor"), 2, "ConfigError"),
        (("train", "no/such/place"), 3, "DataError"),
        (("export", "one"), 2, "ConfigError"),
        (("monitor", "--url", "http://127.0.0.1:1"), 7, "ServiceError"),
        (("init", "/proc/nowhere/eyas.yaml"), 1, "FileNotFoundError"),
    ],
)
def test_each_error_has_its_class_and_code(here, words, code, kind):
    document, said = eyas(here, *words, code=code)
    assert document is None
    assert json.loads(said)["error"] | {"message": ""} == {"type": kind, "message": "", "exit_code": code}
