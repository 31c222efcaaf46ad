"""`eyas deploy image` and `eyas deploy compose`: what they write, and which bundles they refuse."""

from __future__ import annotations

import filecmp
import os
import stat
import subprocess
from pathlib import Path

import onnx
import pytest

from eyas.bundle import open_bundle
from eyas.bundle.folder import MODEL
from eyas.core.errors import BundleError
from eyas.deploy.files import template_folder
from eyas.deploy.fitting import OPSET, require_fit
from eyas.deploy.images import build_command, find_builder, image_tag
from eyas.deploy.opset import opset_of
from eyas.deploy.release import open_release
from support.bundles import make_bundle
from support.composed import read_compose
from support.defects import corrupt, rehash, wrong_golden
from support.loaded import loaded_eyas


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "model", version="1+cpu").path


def _deploy(*words: object, folder: Path, code: int = 0, **environment: str) -> str:
    command = [loaded_eyas(), "deploy", *map(str, words)]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_context_is_laid_out_as_a_checkout(bundle: Path, tmp_path: Path):
    said = _deploy("image", bundle, folder=tmp_path)
    context = tmp_path / "digits-image"
    assert (
        "next: docker build --file=digits-image/deploy/docker/serve.Dockerfile --target=with-model --tag=digits:1-cpu"
        in said
    )
    assert open_bundle(context / "bundle" / "model").manifest == open_bundle(bundle).manifest
    templates = template_folder()
    for file in ("docker/serve.Dockerfile", "docker/tools.lock", "compose/compose.yaml", "compose/.env.example"):
        assert filecmp.cmp(templates / file, context / "deploy" / file, shallow=False)
    assert (context / "deploy/docker/train-and-publish").stat().st_mode & stat.S_IXUSR
    for name in (
        "pyproject.toml",
        "deploy/docker/serve.lock",
        "README.md",
        "LICENSE",
        ".dockerignore",
        "src/eyas/py.typed",
    ):
        assert (context / name).is_file()
    assert not list(context.rglob("__pycache__"))


def test_without_a_bundle_models_come_by_a_volume(tmp_path: Path):
    said = _deploy("image", "--out", "here", "--tag", "registry.example.com/eyas:1", folder=tmp_path)
    assert "--target=serve --tag=registry.example.com/eyas:1" in said
    assert not (tmp_path / "here" / "bundle").exists()


def test_a_folder_that_is_there_is_left_alone(bundle: Path, tmp_path: Path):
    (tmp_path / "digits-image").mkdir()
    assert "digits-image exists already" in _deploy("image", bundle, folder=tmp_path, code=2)


def test_a_machine_without_a_builder_says_what_another_one_is_told(bundle: Path, tmp_path: Path):
    said = _deploy("image", bundle, "--build", folder=tmp_path, code=2, PATH=str(tmp_path))
    assert "--build needs docker with its engine, podman or buildah" in said
    assert "docker build --file=digits-image/" in said
    assert (tmp_path / "digits-image" / "bundle").is_dir()


def test_a_builder_that_fails_is_told(bundle: Path, tmp_path: Path):
    """A program by the name of podman that works, and can build nothing."""
    _program(tmp_path / "podman", '[ "$1" = info ]')
    said = _deploy("image", bundle, "--build", folder=tmp_path, code=1, PATH=str(tmp_path))
    assert "podman ended with 1" in said


def test_a_builder_that_does_not_work_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A podman whose machine is off, and what cannot be started."""
    monkeypatch.setenv("PATH", str(tmp_path))
    _program(tmp_path / "podman", "exit 1")
    (tmp_path / "docker").touch(mode=0o755)
    assert find_builder() is None
    _program(tmp_path / "buildah", "exit 0")
    assert find_builder() == "buildah"


def test_a_damaged_bundle_is_refused(tmp_path: Path):
    path = make_bundle(tmp_path / "model").path
    corrupt(path)
    assert "has changed since it was written" in _deploy("image", path, folder=tmp_path, code=5)
    assert not list(tmp_path.glob("*-image"))


def test_a_bundle_that_answers_otherwise_is_refused(tmp_path: Path):
    path = make_bundle(tmp_path / "model").path
    wrong_golden(path)
    with pytest.raises(BundleError, match="golden"):
        require_fit(path)


def test_newer_operators_than_the_image_knows_are_refused(tmp_path: Path):
    path = make_bundle(tmp_path / "model").path
    model = onnx.load(path / MODEL)
    model.opset_import[0].version = OPSET + 1
    onnx.save(model, path / MODEL)
    rehash(path)
    with pytest.raises(BundleError, match=f"must be of opset {OPSET} or older, .* got {OPSET + 1}"):
        require_fit(path)
    with pytest.raises(BundleError, match=f"must be of opset {OPSET} or older"):
        open_release(path, "registry.example.com/digits:1")


def test_the_opset_is_read_as_onnx_reads_it(bundle: Path, tmp_path: Path):
    model = onnx.load(bundle / MODEL)
    assert opset_of(bundle / MODEL) == model.opset_import[0].version
    model.opset_import.insert(0, onnx.helper.make_opsetid("com.microsoft", 300))
    onnx.save(model, tmp_path / "more.onnx")
    assert opset_of(tmp_path / "more.onnx") == model.opset_import[1].version
    del model.opset_import[:]
    onnx.save(model, tmp_path / "none.onnx")
    assert opset_of(tmp_path / "none.onnx") == 0
    (tmp_path / "no.onnx").write_bytes(b"\x42\xff")
    with pytest.raises(BundleError, match="no protobuf message"):
        opset_of(tmp_path / "no.onnx")


def test_the_runtime_knows_the_newest_operators_that_are_let_through_and_no_newer(bundle: Path, tmp_path: Path):
    """Of the lock's ONNX Runtime, which is the one here."""
    import onnxruntime as ort

    model = onnx.load(bundle / MODEL)
    for version, known in ((OPSET, True), (OPSET + 1, False)):
        model.opset_import[0].version = version
        if known:
            ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        else:
            with pytest.raises(Exception, match="opset"):
                ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("name", "version", "tag"),
    [("digits", "1", "digits:1"), ("Digits.of_Ann", "1.0+cpu", "digits-of-ann:1.0-cpu"), ("x-", "2", "x:2")],
)
def test_names_become_what_a_registry_allows(bundle: Path, name: str, version: str, tag: str):
    manifest = open_bundle(bundle).manifest.model_copy(update={"name": name, "version": version})
    assert image_tag(manifest) == tag


def test_a_health_check_survives_in_every_builder(tmp_path: Path):
    assert "--format=docker" in build_command("buildah", tmp_path, "x:1", None)
    assert "--format=docker" not in build_command("docker", tmp_path, "x:1", None)


def test_a_stack_begins_with_its_bundle_and_its_secrets(bundle: Path, tmp_path: Path):
    said = _deploy("compose", "--bundle", bundle, "--out", "stack", folder=tmp_path)
    assert "next: cd stack/deploy/compose && docker compose up --detach api" in said
    compose = tmp_path / "stack" / "deploy" / "compose"
    lines = (compose / ".env").read_text().splitlines()[1:]
    settings = dict(line.split("=", 1) for line in lines)
    content = read_compose(settings, compose / "compose.yaml")
    api = content["services"]["api"]
    assert api["image"] == "digits:1-cpu"
    assert api["build"]["target"] == "with-model"
    assert api["build"]["args"]["MODEL"] == "digits"
    assert (compose / api["build"]["context"] / "bundle" / "model" / "manifest.json").is_file()
    files = {name: compose / one["file"] for name, one in content["secrets"].items()}
    assert all(len(file.read_text().strip()) >= 32 for file in files.values())
    assert len({file.read_text() for file in files.values()}) == len(files)
    assert files["postgres_password"].read_text().strip() in files["pg_service"].read_text()
    folder = files["auth_secret"].parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(file.stat().st_mode & stat.S_IROTH for file in files.values()), "the containers' users read them"
    rules = (tmp_path / "stack" / ".dockerignore").read_text().splitlines()
    assert rules.index("**/secrets") > rules.index("!deploy"), "no image is built from them"


def test_two_stacks_have_secrets_of_their_own(tmp_path: Path):
    for name in ("one", "two"):
        said = _deploy("compose", "--out", name, folder=tmp_path)
        assert "docker compose up training && docker compose up --detach api" in said
    one, two = ((tmp_path / name / "secrets" / "auth_secret").read_text() for name in ("one", "two"))
    assert one != two


def _program(file: Path, line: str) -> None:
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)
