"""The workflows are valid, ask for no right that they do not need, and run nothing but the repository's own scripts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = ROOT / "deploy" / "pipelines"
TOOLS = "run `make deploy-check`, which installs it"
PINNED = re.compile(r"uses: (\$/[\w./-]+|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$")
RUN = re.compile(r'deploy/pipelines/([a-z-]+\.sh)( ("?\$?[A-Za-z0-9_./-]+"?))*')
MAY_WRITE = {
    "image.yml/publish": {"packages", "id-token", "attestations"},
    "deploy.yml/image": {"packages", "id-token", "attestations"},
    "deploy.yml/deploy": {"id-token"},
    "retrain.yml/propose": {"contents"},
    "release.yml/pypi": {"id-token"},
    "release.yml/github": {"contents", "id-token", "attestations"},
}


def program(name: str) -> str:
    """Of the tools beside the environment, or of this machine."""
    places = [str(Path(place) / "bin") for place in sys.path if place.endswith("deploy-tools")]
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{name} is not installed: {TOOLS}")
    return found


def succeeds(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def workflow(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in WORKFLOWS:
        for name, job in workflow(file)["jobs"].items():
            yield f"{file.name}/{name}", job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in jobs():
        for step in job.get("steps", ()):
            yield name, step


def test_they_are_there() -> None:
    assert [file.name for file in WORKFLOWS] == ["ci.yml", "deploy.yml", "image.yml", "release.yml", "retrain.yml"]


def test_they_keep_githubs_schema() -> None:
    if find_spec("check_jsonschema") is None:
        pytest.skip(f"check-jsonschema is not installed: {TOOLS}")
    succeeds(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)


def test_zizmor_finds_nothing() -> None:
    succeeds(program("zizmor"), "--offline", "--no-progress", "--persona", "pedantic", ".github/workflows")


def test_shellcheck_finds_nothing() -> None:
    succeeds(program("shellcheck"), *sorted(SCRIPTS.glob("*.sh")))


def test_hadolint_finds_nothing() -> None:
    succeeds(program("hadolint"), *sorted((ROOT / "deploy" / "docker").glob("*.Dockerfile")))


def test_every_action_is_pinned_by_its_commit_and_says_its_version() -> None:
    lines = [line.strip(" -") for file in WORKFLOWS for line in file.read_text().splitlines() if "uses: " in line]
    assert len(lines) > 20
    assert [line for line in lines if not PINNED.fullmatch(line)] == []
    commits: dict[str, set[str]] = {}
    for line in lines:
        action, _, commit = line.partition("@")
        commits.setdefault(action, set()).add(commit)
    assert {action: found for action, found in commits.items() if len(found) > 1} == {}


def test_every_step_runs_a_script_of_the_repository() -> None:
    run = [(name, step["run"]) for name, step in steps() if "run" in step]
    assert len(run) > 20
    for name, line in run:
        match = RUN.fullmatch(line)
        assert match, f"{name}: {line}"  # no expression among them: what others write is never part of a command
        assert os.access(SCRIPTS / match[1], os.X_OK), line
        files = [word for word in line.split() if word.endswith((".lock", ".txt"))]
        assert all((ROOT / file).is_file() for file in files), line
    named = {RUN.fullmatch(line)[1] for _, line in run if RUN.fullmatch(line)}  # type: ignore[index]
    inside = "".join(file.read_text() for file in SCRIPTS.glob("*.sh"))
    unused = [file.name for file in SCRIPTS.glob("*.sh") if file.name not in named and f'/{file.name}"' not in inside]
    assert unused == []


def test_scripts_say_what_they_do_and_stop_at_the_first_failure() -> None:
    for file in SCRIPTS.glob("*.sh"):
        lines = file.read_text().splitlines()
        assert lines[0] == "#!/usr/bin/env bash", file
        assert lines[1].startswith("# "), file
        assert f"deploy/pipelines/{file.name}" in file.read_text(), file
        assert "set -euo pipefail" in lines, file
        assert len(lines) <= 60, file


def test_rights_are_given_to_jobs_alone_and_only_those_they_need() -> None:
    for file in WORKFLOWS:
        assert workflow(file)["permissions"] == {}, file
    for name, job in jobs():
        writes = {right for right, level in job["permissions"].items() if level == "write"}
        assert writes == MAY_WRITE.get(name, set()), name
        assert set(job["permissions"].values()) <= {"read", "write"}, name


def test_no_job_hangs_or_meets_another_of_its_kind() -> None:
    for file in WORKFLOWS:
        assert workflow(file)["concurrency"]["group"], file
    for name, job in jobs():
        assert 0 < job["timeout-minutes"] < 360 if "steps" in job else "uses" in job, name


def test_no_checkout_leaves_its_token_behind() -> None:
    checkouts = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) > 8
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_secrets_are_named_in_environments_with_approval_alone() -> None:
    for name, job in jobs():
        if "secrets." in str(job):
            assert job["environment"] in {"production", "training"}, name
    production = workflow(ROOT / ".github" / "workflows" / "deploy.yml")["jobs"]["deploy"]
    assert production["environment"] == "production"


def test_nothing_is_published_from_a_pull_request() -> None:
    image = workflow(ROOT / ".github" / "workflows" / "image.yml")["jobs"]
    assert "github.event_name != 'pull_request'" in image["publish"]["if"]
    assert all(level == "read" for level in image["build"]["permissions"].values())
    for file in WORKFLOWS:
        assert "pull_request_target" not in file.read_text()


def test_a_proposal_and_a_deployment_come_after_what_judges_them() -> None:
    found = dict(jobs())
    assert found["retrain.yml/propose"]["needs"] == "train"
    assert found["deploy.yml/deploy"]["needs"] == "image"
    assert found["image.yml/publish"]["needs"] == "build"
    assert found["release.yml/pypi"]["needs"] == "build"
