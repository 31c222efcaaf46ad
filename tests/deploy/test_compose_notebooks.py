"""The compose file's notebooks, as a process of this machine: who has the token of the secret's file is let in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from eyas.deploy.stack import write_secrets
from support.composed import Stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """JupyterLab runs, by the file's command and environment."""
    made = Stack(tmp_path_factory.mktemp("stack"), {})
    write_secrets(made.folder / "secrets")
    (entry,) = made.service("jupyter")["entrypoint"]
    program = Path(sys.executable).parent / entry
    if not program.with_name("jupyter-lab").exists():
        pytest.skip("JupyterLab is not installed: pip install 'eyas[train]'")
    work = made.volume("work")
    (work / "first.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    as_root = ["--allow-root"] if os.getuid() == 0 else []  # the image's user is none
    environment = made.environment("jupyter", HOME=str(work))  # as in the image
    with made.running("jupyter", [*made.command("jupyter", str(program)), *as_root], environment, work):
        made.wait_healthy("jupyter", environment, sys.executable)
        yield made


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    token = (stack.folder / "secrets" / "jupyter_token").read_text().strip()  # as one copies it
    with httpx.Client(base_url=stack.url("jupyter"), headers={"Authorization": f"token {token}"}, timeout=60) as made:
        yield made


def test_a_stranger_sees_nothing(stack: Stack):
    for headers in ({}, {"Authorization": "token another"}):
        assert httpx.get(f"{stack.url('jupyter')}/api/contents", headers=headers, timeout=60).status_code == 403


def test_who_has_the_token_finds_the_volume(client: httpx.Client):
    assert "first.ipynb" in {one["name"] for one in client.get("/api/contents").json()["content"]}
    assert client.get("/lab").status_code == 200


def test_a_notebook_gets_a_kernel(client: httpx.Client):
    made = client.post("/api/kernels", json={"name": "python3"})
    assert made.status_code == 201
    assert client.delete(f"/api/kernels/{made.json()['id']}").status_code == 204
