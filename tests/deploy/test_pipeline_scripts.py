"""The scripts of the workflows, run: with the real eyas; where a program of theirs is a service's, with a made one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import eyas
from eyas.bundle import open_bundle
from support.bundles import make_bundle
from support.defects import corrupt
from support.loaded import loaded_eyas

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "deploy" / "pipelines"
DIGEST = f"ghcr.io/team/eyas@sha256:{'0' * 64}"
CONFIG = "data: {source: digits}\ntrain: {epochs: %d, batch_size: 32, precision: fp32}\n"
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

    def run(self, script: str, *words: object, code: int = 0, first: Path | None = None, **variables: str) -> str:
        own = [first] if first else [Path(loaded_eyas()).parent, Path(sys.executable).parent]
        path = [self.programs, *own, SYSTEM]
        more = {"PATH": os.pathsep.join(map(str, path)), "GH_HOME": str(self.releases)}
        done = subprocess.run(
            [str(SCRIPTS / script), *map(str, words)],
            cwd=self.folder,
            env={**os.environ, **more, **variables},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def called(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


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


def test_a_sample_is_a_bundle(place: Place) -> None:
    place.run("sample-bundle.sh", place.folder / "sample")
    assert open_bundle(place.folder / "sample").manifest.dataset.name == "digits"


def test_a_bundle_is_fetched_whole_or_not_at_all(place: Place) -> None:
    place.github()
    bundle = make_bundle(place.folder / "made").path
    place.run("fetch-bundle.sh", bundle, "from-folder")
    subprocess.run(["tar", "-czf", place.folder / "bundle.tar.gz", "-C", bundle, "."], check=True)
    place.run("fetch-bundle.sh", "bundle.tar.gz", "deep/from-archive")
    assert "no model was released yet" in place.run("fetch-bundle.sh", "latest", "none", code=4)
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
