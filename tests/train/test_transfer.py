"""Training on a pretrained backbone: kept features, the head, fine-tuning, and the run that comes of it."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from eyas.bundle import open_bundle
from eyas.core.config import load_config, load_values
from eyas.core.errors import ConfigError, ResumeError, TrainingError
from eyas.core.io import cache_dir
from eyas.core.runs import open_run
from eyas.core.schema import AugmentConfig, ExportConfig
from eyas.diagnose import Finding
from eyas.diagnose.remedies import remedies
from eyas.evaluate import softmax
from eyas.export import export_run
from eyas.infer import Session
from eyas.nn import load_network, run_network
from eyas.train import evaluate_run, resume_run, start_run
from eyas.train.checks import check_config
from eyas.train.evidence import gather_evidence
from eyas.train.transfer.store import BLOCK, cached_features, store_path
from eyas.train.transfer.views import Extractor
from support.backbones import SIDE, write_backbone
from support.training import assert_same_weights, weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp("backbone"))


def settings(folder, runs, *words):
    usual = [
        "data.source=digits",
        f"model=pretrained:{folder}",
        f"runs_dir={runs}",
        "train.optimizer=adamw",
        "train.epochs=6",
    ]
    return load_values(
        {}, [*usual, "train.learning_rate=0.003", "train.precision=fp32", "train.threads=1", *words], "x"
    )


@pytest.fixture(scope="module")
def frozen(folder, tmp_path_factory, digits):
    """A finished run on a frozen backbone with two views."""
    runs = tmp_path_factory.mktemp("runs")
    return start_run(settings(folder, runs, "model.views=2", "augment.flip=alternating"), digits)


def test_a_frozen_backbone_of_random_weights_tells_digits_apart(frozen, folder, digits):
    assert frozen.best.val_accuracy > 0.6
    assert frozen.parameters == 10 * (load_network(frozen.run)[0].head.in_features + 1)
    chosen = frozen.run.config().train.weight_decay
    assert chosen in (0.1, 0.3, 1.0, 3.0, 10.0)
    network, about = load_network(frozen.run)
    assert about["mean"] == [0.4, 0.5, 0.6]
    features = network.standardise(torch.from_numpy(run_network(network, digits.train).features))
    assert network.has_cam
    assert features.isfinite().all()


def test_what_is_measured_is_what_the_features_gave(frozen, digits):
    found = evaluate_run(frozen.run, digits, "val", record=False)
    assert found.accuracy == pytest.approx(frozen.best.val_accuracy, abs=1 / len(digits.val) + 1e-9)
    assert found.nll == pytest.approx(frozen.best.val_loss, abs=5e-3)  # kept features have 11 bits


def test_the_bundle_takes_small_images_and_says_the_same(frozen, digits, tmp_path):
    bundle = export_run(frozen.run, digits, ExportConfig(), tmp_path / "bundle")
    spec = open_bundle(tmp_path / "bundle").manifest.input
    assert (spec.height, spec.width, spec.channels, spec.mean) == (8, 8, 1, (0.4, 0.5, 0.6))
    assert "cam" in bundle.manifest.outputs
    answers = Session(bundle.path / "model.onnx").run(digits.test.take(slice(None)))
    expected = run_network(load_network(frozen.run)[0], digits.test).logits
    np.testing.assert_allclose(softmax(answers["logits"]), softmax(expected), atol=1e-4)


def test_features_are_kept_for_other_splits_and_shares_of_the_same_images(frozen, folder, digits, tmp_path):
    before = {file: file.stat().st_mtime_ns for file in (cache_dir() / "features").rglob("features.f16")}
    assert len(before) >= 2
    again = start_run(settings(folder, tmp_path, "model.views=2", "augment.flip=alternating"), digits)
    assert_same_weights(weights(frozen.run), weights(again.run))
    after = {file: file.stat().st_mtime_ns for file in (cache_dir() / "features").rglob("features.f16")}
    assert before == after


def test_a_run_that_pauses_goes_on_as_if_it_had_not(frozen, folder, digits, tmp_path):
    config = settings(folder, tmp_path, "model.views=2", "augment.flip=alternating")
    paused = start_run(config, digits, until=1)
    assert paused.paused
    resume_run(paused.run, digits)
    assert_same_weights(weights(frozen.run, "last.pt"), weights(paused.run, "last.pt"))


def test_fine_tuning_begins_where_the_head_was_fitted_and_gets_better(frozen, folder, digits, tmp_path):
    words = (
        "model.frozen=false",
        "train.learning_rate=0.001",
        "train.warmup_epochs=1",
        "train.schedule=cosine",
        "train.epochs=3",
    )
    tuned = start_run(settings(folder, tmp_path, *words), digits)
    assert tuned.history[0].val_accuracy > 0.7
    assert tuned.history[-1].val_loss < frozen.best.val_loss
    before, after = weights(frozen.run), weights(tuned.run)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"body.1.model.layer4.0.conv1.weight", "head.weight"} <= moved
    assert not any("running" in name for name in moved)
    paused = start_run(settings(folder, tmp_path, *words), digits, until=1)
    resume_run(paused.run, digits)
    assert_same_weights(weights(tuned.run, "last.pt"), weights(paused.run, "last.pt"))


def test_fine_tuning_may_begin_with_another_runs_head(frozen, folder, digits, tmp_path):
    words = ("model.frozen=false", f"train.start_from={frozen.run.path}", "train.learning_rate=1e-9", "train.epochs=1")
    begun = start_run(settings(folder, tmp_path, *words), digits)
    assert begun.best.val_loss == pytest.approx(frozen.best.val_loss, abs=5e-3)


def test_other_weights_under_the_same_name_are_noticed(folder, digits, tmp_path):
    from safetensors.torch import load_file, save_file

    moving = write_backbone(tmp_path / "moving")
    paused = start_run(settings(moving, tmp_path, "train.weight_decay=1"), digits, until=1)
    changed = load_file(moving / "model.safetensors")
    save_file({name: value + 1 if value.is_floating_point() else value for name, value in changed.items()},
              moving / "model.safetensors")  # fmt: skip
    assert evaluate_run(open_run(paused.run.path), digits, "val", record=False).accuracy > 0.5  # best.pt has it all
    with pytest.raises(ResumeError, match="began with other weights than"):
        resume_run(paused.run, digits)


@pytest.mark.parametrize("code", ["high-variance", "high-bias"])
def test_the_commands_that_a_diagnosis_gives_are_accepted(frozen, digits, code):
    commands = remedies(Finding(code, "problem", {}), gather_evidence([frozen.run], digits))
    assert any(word in " ".join(commands) for word in ("model.views=4 augment.crop=2", "model.frozen=false"))
    for command in commands:
        words = shlex.split(command)
        check_config(load_config(Path(words[3]), words[4:]), digits)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["augment.flip=random"], "augment would do nothing with model.views=1"),
        (["model.views=3"], "model.views would do nothing without augment"),
        (["model.views=3", "augment.flip=alternating"], "model.views=3 would repeat views"),
        (["model.views=2", "augment.mixup=0.2"], "augment.mixup and augment.cutmix need model.frozen=false"),
        (["model.views=2", "model.frozen=false"], "model.views would do nothing with model.frozen=false"),
        (["train.optimizer=muon"], "muon would undo"),
        (["train.start_from=runs/x"], "train.start_from would change the backbone"),
        (["data.normalize=unit"], "data.normalize would do nothing"),
        (["train.image_sizes={0: 8}"], "train.image_sizes needs a network that takes images of any size"),
    ],
)
def test_what_does_not_fit_a_backbone_is_refused_before_a_folder_is_made(folder, digits, tmp_path, words, said):
    with pytest.raises(ConfigError, match=said):
        start_run(settings(folder, tmp_path / "runs", *words), digits)
    assert not (tmp_path / "runs").exists()


def test_a_killed_extraction_goes_on_and_nothing_is_computed_twice():
    folder, asked = store_path("killed"), []
    rows = np.arange(3, 5 * BLOCK, 2)
    truth = np.random.default_rng(0).normal(size=(5 * BLOCK, 4)).astype("<f2")

    def compute(some, block):
        asked.extend(some.tolist())
        assert (some // BLOCK == block).all()
        if block == 3 and not survives:
            raise KeyboardInterrupt
        return truth[some]

    survives = False
    with pytest.raises(KeyboardInterrupt):
        cached_features(folder, rows, truth.shape, compute, "test")
    survives = True
    asked.clear()
    found = cached_features(folder, rows, truth.shape, compute, "test")
    np.testing.assert_array_equal(found[rows], truth[rows])
    assert min(asked) // BLOCK == 3
    asked.clear()
    cached_features(folder, np.arange(5 * BLOCK), truth.shape, compute, "test")
    assert sorted({*asked, *rows.tolist()}) == list(range(5 * BLOCK))
    assert not set(asked) & set(rows.tolist())
    with pytest.raises(TrainingError, match="not finite"):
        cached_features(store_path("nan"), rows, truth.shape, lambda some, _: truth[some] * np.nan, "test")


def test_rows_of_a_lost_file_are_no_longer_vouched_for_while_they_are_computed_again():
    folder, rows, truth = store_path("lost"), np.arange(2 * BLOCK), np.ones((2 * BLOCK, 4), "<f2")
    vouched = []

    def compute(some, _):
        vouched.append((folder / "done.npy").exists())  # a kill would leave it as it is now
        return truth[some]

    cached_features(folder, rows, truth.shape, compute, "test")
    assert (folder / "done.npy").exists()
    (folder / "features.f16").unlink()
    vouched.clear()
    np.testing.assert_array_equal(cached_features(folder, rows, truth.shape, compute, "test"), truth)
    assert vouched == [False, False]


def test_views_are_the_image_itself_then_varied_and_every_other_one_mirrored(frozen, folder, digits):
    network = load_network(frozen.run)[0]
    vary = AugmentConfig(flip="random", crop=1)
    from eyas.nn.pretrained import read_backbone

    extract = Extractor(
        network, read_backbone(frozen.run.path / "backbone.json"), vary, 0, torch.device("cpu"), "fp32", "made"
    )
    with torch.inference_mode():
        plain = network.features(torch.from_numpy(digits.val.take(slice(None)))).numpy()
    views = [extract.features(digits.val, view)[digits.val.rows] for view in range(3)]
    np.testing.assert_allclose(views[0], plain, atol=1e-2, rtol=1e-2)
    assert all(np.abs(views[0] - other).max() > 0.05 for other in views[1:])
    mirrored = Extractor(
        network, extract.backbone, AugmentConfig(flip="random"), 0, torch.device("cpu"), "fp32", "made"
    )
    with torch.inference_mode():
        turned = network.features(torch.from_numpy(digits.val.take(slice(None))[:, :, ::-1].copy())).numpy()
    np.testing.assert_allclose(mirrored.features(digits.val, 1)[digits.val.rows], turned, atol=1e-2, rtol=1e-2)


def test_the_side_of_the_backbone_is_what_networks_run_at(frozen):
    assert load_network(frozen.run)[0].computes_at == (SIDE, SIDE)
