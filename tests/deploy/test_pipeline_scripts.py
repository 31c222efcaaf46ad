"""The scripts of the workflows, run: with the real eyas; where a program of theirs is a service's, with a made one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline_place import SCRIPTS, SYSTEM, Place

import eyas
from eyas.bundle import open_bundle
from support.bundles import make_bundle
from support.defects import corrupt

DIGEST = f"ghcr.io/team/eyas@sha256:{'0' * 64}"
CONFIG = "data: {source: digits}\ntrain: {epochs: %d, batch_size: 32, precision: fp32}\n"


def test_checks_are_the_makefiles(place: Place) -> None:
    assert "make demo" in place.run("check.sh", "help")
    assert "name at least one target" in place.run("check.sh", code=2)
    assert "No rule to make target" in place.run("check.sh", "no-such-check", code=2)


def test_without_words_each_says_what_it_needs(place: Place) -> None:
    for script in sorted(SCRIPTS.glob("*.sh")):
        if script.name != "release-check.sh":
            done = subprocess.run([script], capture_output=True, text=True, check=False, cwd=place.folder)
            assert done.returncode in {1, 2}, script
            assert f"{script.name}: name " in done.stderr, script


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_installing_is_what_it_says(place: Place) -> None:
    environment = place.folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    said = place.run("install.sh", "client", "--", "colorama", first=environment / "bin", PYTHONPATH="")
    assert f"eyas {eyas.__version__}" in said.splitlines()
    assert list(environment.glob("lib/*/site-packages/httpx"))
    assert list(environment.glob("lib/*/site-packages/colorama"))
    assert not list(environment.glob("lib/*/site-packages/onnxruntime"))


@pytest.mark.parametrize(("user", "first"), [("0", ""), ("1000", "sudo ")])
def test_packages_are_installed_as_root(place: Place, user: str, first: str) -> None:
    """By a made apt-get: nothing of this machine is changed."""
    place.program("id", f"echo {user}")
    place.program("sudo", 'exec "$@"')
    place.program("apt-get")
    place.run("packages.sh", "jq", "prometheus")
    calls = [line for line in place.called() if line.startswith(("sudo", "apt-get"))]
    install = "apt-get -qq install --yes --no-install-recommends jq prometheus"
    assert calls[-1] == install
    assert calls[0] == f"{first}apt-get -qq update"
    assert (f"sudo env DEBIAN_FRONTEND=noninteractive {install}" in calls) == bool(first)
    place.program("apt-get", "exit 100")
    place.run("packages.sh", "no-such-package", code=100)


def test_a_sample_is_a_bundle(place: Place) -> None:
    place.run("sample-bundle.sh", place.folder / "sample")
    assert open_bundle(place.folder / "sample").manifest.dataset.name == "digits"


def test_a_bundle_is_fetched_whole_or_not_at_all(place: Place) -> None:
    place.github()
    bundle = make_bundle(place.folder / "made").path
    place.run("fetch-bundle.sh", bundle, "from-folder")
    subprocess.run(["tar", "-czf", place.folder / "bundle.tar.gz", "-C", bundle, "."], check=True)
    place.run("fetch-bundle.sh", "bundle.tar.gz", "deep/from-archive")
    assert "no model was released yet" in place.run("fetch-bundle.sh", "latest", "none", code=120)
    for tag, draft in (("model-1", False), ("model-2", True), ("v9", False)):
        (place.releases / tag).mkdir()
        shutil.copy(place.folder / "bundle.tar.gz", place.releases / tag)
        (place.releases / tag / "release.json").write_text(json.dumps({"tagName": tag, "draft": draft}))
    (place.releases / "model-2" / "bundle.tar.gz").unlink()
    assert place.run("fetch-bundle.sh", "latest", "from-latest") == "digits digits-1\n"
    place.run("fetch-bundle.sh", "model-1", "from-release")
    for name in ("from-folder", "deep/from-archive", "from-latest", "from-release"):
        assert open_bundle(place.folder / name).manifest == open_bundle(bundle).manifest
    assert "is there already" in place.run("fetch-bundle.sh", bundle, "from-folder", code=2)
    corrupt(bundle)
    with pytest.raises(AssertionError, match="has changed since it was written"):
        place.run("fetch-bundle.sh", bundle, "damaged")
    assert not (place.folder / "damaged").exists()


def test_who_may_not_ask_github_does_not_pass_the_gate(place: Place) -> None:
    """gh ends with 4 where it is not logged in."""
    place.program("gh", "exit 4")
    (place.folder / "eyas.yaml").write_text(CONFIG % 1)
    assert "gh cannot list the releases" in place.run("retrain.sh", "out", "latest", code=2)
    assert not (place.folder / "out" / "report.md").exists()
    place.run("retrain.sh", "again", "model-1", code=2)
    assert not (place.folder / "again" / "report.md").exists()


def test_nothing_is_proposed_where_it_is_not_said_that_no_gate_was_asked(place: Place) -> None:
    place.program("gh")
    out = place.folder / "out"
    out.mkdir()
    for name in ("bundle.tar.gz", "report.md"):
        (out / name).write_text("# digits 1\n")
    assert "was the gate asked?" in place.run("propose.sh", "out", code=2)
    (out / "no-gate.json").write_text("{}")
    assert place.run("propose.sh", "out").startswith("proposed model-")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_retrain_and_propose(place: Place) -> None:
    """First without anything live, then where the new model is as good, then where it is not."""
    place.github()
    (place.folder / "eyas.yaml").write_text(CONFIG % 8)
    place.run("retrain.sh", "first", "latest", MODEL="digits", VERSION="1")
    assert "No model was live" in (place.folder / "first" / "report.md").read_text()
    assert place.run("propose.sh", "first").startswith("proposed model-")
    (proposal,) = place.releases.iterdir()
    told = json.loads((proposal / "release.json").read_text())
    assert told["draft"]
    assert told["title"] == "digits 1"
    assert "## On its test images" in told["notes"]
    publish(proposal, told)
    place.run("retrain.sh", "second", "latest", VERSION="2", EYAS_GATE="margin=0.2 latency_ratio=50")
    report = (place.folder / "second" / "report.md").read_text()
    assert "## The gate is open" in report
    assert "| accuracy | passed |" in report
    (place.folder / "poor.yaml").write_text(CONFIG % 1)
    place.run("retrain.sh", "third", "latest", code=1, VERSION="3", EYAS_CONFIG="poor.yaml")
    report = (place.folder / "third" / "report.md").read_text()
    assert "## The gate is shut" in report
    assert "| accuracy | **failed** |" in report
    assert "nothing is proposed" in place.run("propose.sh", "third", code=1)
    assert len(list(place.releases.iterdir())) == 1


def publish(release: Path, told: dict[str, object]) -> None:
    """As a person does on GitHub's page."""
    (release / "release.json").write_text(json.dumps({**told, "draft": False}))


def test_bad_data_end_a_retraining_before_it_costs_anything(place: Place) -> None:
    (place.folder / "eyas.yaml").write_text("data: {source: nowhere}\n")
    assert "nowhere" in place.run("retrain.sh", "out", code=3)
    assert not (place.folder / "out" / "model").exists()
    assert "lacks bundle.tar.gz or report.md" in place.run("propose.sh", "out", code=2)


def test_an_image_is_pushed_and_signed_by_its_digest(place: Place) -> None:
    place.program("docker", f'[[ $1 != image ]] || echo "{DIGEST}"')
    output = place.folder / "output"
    said = place.run("image-push.sh", "ghcr.io/team/eyas:1", "image.tar", GITHUB_OUTPUT=str(output))
    assert said == f"{DIGEST}\n"
    name, _, digest = DIGEST.partition("@")
    assert output.read_text() == f"reference={DIGEST}\nname={name}\ndigest={digest}\n"
    assert [line.split()[1] for line in place.called()] == ["load", "push", "image"]
    place.program("cosign")
    place.run("image-sign.sh", DIGEST, "image.spdx.json")
    assert place.called()[3:] == [
        f"cosign sign --yes {DIGEST}",
        f"cosign attest --yes --type spdxjson --predicate image.spdx.json {DIGEST}",
    ]
    said = place.run("image-sign.sh", "ghcr.io/team/eyas:1", "image.spdx.json", code=2)
    assert "the image must be NAME@sha256:DIGEST, got ghcr.io/team/eyas:1" in said


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("ghcr.io/SomeTeam/Eyas:V1-a", "ghcr.io/someteam/eyas:V1-a"),
        ("localhost:5000/Team/eyas", "localhost:5000/team/eyas"),
        ("eyas", "eyas"),
    ],
)
def test_an_owner_may_have_capitals(place: Place, image: str, name: str) -> None:
    """Registries take none but in a tag."""
    place.program("docker", f'[[ $1 != image ]] || echo "{DIGEST}"')
    assert place.run("image-name.sh", image) == f"{name}\n"
    place.run("image-push.sh", image)
    assert place.called()[0] == f"docker push --quiet {name}"
    place.run("image-build.sh", image)
    assert f"--tag={name}" in place.log.read_text()


def test_an_image_with_a_bundle_is_labelled_and_kept_as_a_file(place: Place) -> None:
    bundle = make_bundle(place.folder / "model", version="2")
    place.program("docker")
    where = {"GITHUB_SHA": "abc123", "GITHUB_REPOSITORY": "team/cats", "GITHUB_SERVER_URL": "https://git.example.com"}
    place.run("image-build.sh", "ghcr.io/team/digits:2", bundle.path, ARCHIVE="image.tar", **where)
    build, save = (line for line in place.called() if not line.startswith("docker info"))
    told = {"MODEL=digits", "VERSION=2", "REVISION=abc123", "SOURCE=https://git.example.com/team/cats"}
    assert {f"--build-arg={one}" for one in told} | {"--target=with-model"} <= {*build.split()}
    assert save == "docker save --output image.tar ghcr.io/team/digits:2"


def test_what_a_scan_or_a_push_refuses_ends_the_pipeline(place: Place) -> None:
    place.program("trivy", "exit 1")
    place.program("syft")
    place.program("docker", "exit 7")
    (place.folder / "image.tar").touch()
    place.run("image-scan.sh", "image.tar", code=1)
    place.run("image-sbom.sh", "image.tar", "image.spdx.json")
    place.run("image-push.sh", "ghcr.io/team/eyas:1", code=7)
    scan, sbom, *_ = place.called()
    assert scan.endswith("--exit-code 1 --no-progress --input image.tar")
    assert sbom == "syft scan image.tar --output spdx-json=image.spdx.json"


@pytest.mark.parametrize(
    ("script", "words", "program"),
    [
        ("image-scan.sh", ("image",), "trivy"),
        ("image-sbom.sh", ("image", "file"), "syft"),
        ("image-sign.sh", (DIGEST, "file"), "cosign"),
    ],
)
def test_a_missing_program_is_named(place: Place, script: str, words: tuple[str, ...], program: str) -> None:
    if shutil.which(program, path=SYSTEM):
        pytest.skip(f"{program} is installed here")
    assert f"{program} is not installed: https://" in place.run(script, *words, code=3)


@pytest.mark.parametrize("target", ["ecs", "cloudrun", "azure"])
def test_a_deployment_names_what_it_lacks(place: Place, target: str) -> None:
    said = place.run("deploy.sh", target, DIGEST, "bundle", code=2, AWS_REGION="", GCP_PROJECT="", AZURE_LOCATION="")
    assert f"deploy.sh: {target} needs " in said
    assert "must be ecs, cloudrun or azure, got heroku" in place.run("deploy.sh", "heroku", DIGEST, "bundle", code=2)


def test_release_notes_are_the_changelogs(place: Place) -> None:
    shutil.copytree(SCRIPTS, place.folder / "deploy" / "pipelines")
    changelog = (
        "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [0.2.0] - 2026-12-01\n\n- new\n\n## [0.1.0] - 2026-11-01\n"
    )
    (place.folder / "CHANGELOG.md").write_text(changelog)
    run = place.folder / "deploy" / "pipelines"
    assert place.run(run / "release-notes.sh", "v0.2.0").strip() == "- new"
    for tag in ("v0.1.0", "v0.2", "v3.0.0"):
        assert f"says nothing of {tag[1:]}" in place.run(run / "release-notes.sh", tag, code=1)
    place.github()
    (place.folder / "dist").mkdir()
    (place.folder / "dist" / "eyas.whl").touch()
    place.run(run / "release-publish.sh", "v0.2.0", "dist")
    told = json.loads((place.releases / "v0.2.0" / "release.json").read_text())
    assert (told["title"], told["draft"], told["notes"].strip()) == ("eyas 0.2.0", False, "- new")
    assert (place.releases / "v0.2.0" / "eyas.whl").exists()
