"""Runs whose fault is known because it was made: the diagnosis must name it first."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from eyas.core.config import load_values
from eyas.core.errors import ConfigError, DataError
from eyas.data import open_dataset
from eyas.diagnose.verdict import diagnose
from eyas.train import start_run
from eyas.train.evidence import gather_evidence

GENERATOR = np.random.default_rng(0)
ORDER = GENERATOR.permutation(1797)
IMAGES = (load_digits().images * 255 / 16).astype(np.uint8)[ORDER]
LABELS = load_digits().target[ORDER]


def _arrays(images=IMAGES[:1500], labels=LABELS[:1500], **more):
    return {"x_train": images, "y_train": labels, "x_test": IMAGES[1500:], "y_test": LABELS[1500:], **more}


def _shuffled():
    return _arrays(labels=GENERATOR.permutation(LABELS[:1500]))


def _noisy():
    labels = LABELS[:1500].copy()
    wrong = GENERATOR.random(1500) < 0.3
    labels[wrong] = GENERATOR.integers(0, 10, wrong.sum())
    return _arrays(labels=labels)


def _leaked():
    val = np.concatenate([np.arange(1200, 1350), np.arange(150)])
    return _arrays(IMAGES[:1200], LABELS[:1200], x_val=IMAGES[val], y_val=LABELS[val])


def _inverted():
    return _arrays(IMAGES[:1200], LABELS[:1200], x_val=255 - IMAGES[1200:1500], y_val=LABELS[1200:1500])


def _few():
    return _arrays(IMAGES[:60], LABELS[:60], x_val=IMAGES[500:1500], y_val=LABELS[500:1500])


HEALTHY = ("model=cnn", "train.epochs=12", "train.batch_size=32", "model.batch_norm_momentum=0.9")
CASES = {
    "healthy": (_arrays, HEALTHY, "healthy"),
    "a net too small": (_arrays, ("model.hidden=[2]", "train.epochs=20"), "high-bias"),
    "one that memorises": (_few, ("model.dropout=0", "train.epochs=60"), "high-variance"),
    "shuffled labels, stopped early": (_shuffled, ("train.epochs=30",), "random-labels"),
    "shuffled labels, learnt by heart": (
        _shuffled,
        ("train.epochs=60", "train.early_stopping=null", "model.dropout=0", "train.monitor=accuracy"),
        "random-labels",
    ),
    "a third of the labels wrong": (_noisy, ("train.epochs=30",), "noisy-labels"),
    "a leaked split": (_leaked, ("train.epochs=15", "data.force=true"), "leak-val"),
    "another kind of image": (_inverted, ("train.epochs=15",), "shift"),
    "a rate far too high": (
        _arrays,
        ("train.optimizer=sgd", "train.momentum=0.9", "train.learning_rate=3", "train.epochs=15"),
        "diverged",
    ),
    "a rate far too low": (_arrays, ("train.learning_rate=1e-7", "train.epochs=8"), "no-learning"),
}


def _train(folder: Path, arrays, settings):
    np.savez(folder / "data.npz", **arrays)
    source = f"data.source={folder / 'data.npz'}"
    config = load_values({}, [source, f"runs_dir={folder / 'runs'}", "train.threads=1", *settings], "test")
    dataset = open_dataset(config.data)
    return start_run(config, dataset).run, dataset


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_names_what_was_made(tmp_path, case):
    make, settings, code = CASES[case]
    run, dataset = _train(tmp_path, make(), settings)
    found = diagnose(gather_evidence([run], dataset))
    assert found.verdict.code == code, [finding.code for finding in found.findings]
    assert found.verdict.severity == ("good" if code == "healthy" else "problem")
    assert all(finding.commands for finding in found.findings)


def test_seeds_are_diagnosed_together_and_other_runs_are_refused(tmp_path):
    run, dataset = _train(tmp_path, _few(), ("model.dropout=0", "train.epochs=20"))
    other, _ = _train(tmp_path, _few(), ("model.dropout=0", "train.epochs=20", "train.seed=1"))
    found = diagnose(gather_evidence([run, other], dataset))
    assert found.decomposition.seeds == 2
    assert found.verdict.code == "high-variance"
    with pytest.raises(ConfigError, match=r"must have different train.seed, got \[0, 0\]"):
        gather_evidence([run, run], dataset)
    third, _ = _train(tmp_path, _few(), ("model.dropout=0.5", "train.epochs=2", "train.seed=2"))
    with pytest.raises(ConfigError, match=r"train.seed alone; .* in model, train$"):
        gather_evidence([run, third], dataset)


def test_a_known_reference_error_takes_the_blame_off_the_network(tmp_path):
    run, dataset = _train(tmp_path, _arrays(), ("model.hidden=[8]", "train.epochs=8"))
    blamed = diagnose(gather_evidence([run], dataset))
    error = blamed.decomposition.train_error.value
    assert blamed.verdict.code == "high-bias"
    excused = diagnose(gather_evidence([run], dataset, reference_error=error))
    assert "high-bias" not in [finding.code for finding in excused.findings]
    with pytest.raises(ConfigError, match=r"human error must be at least 0 and less than 1, got 2"):
        diagnose(gather_evidence([run], dataset, reference_error=2))
    with pytest.raises(ConfigError, match=r"tolerance must be greater than 0 and less than 1, got 0"):
        diagnose(gather_evidence([run], dataset), tolerance=0)


def test_a_run_without_a_test_split_and_one_that_is_not_finished(tmp_path):
    config = load_values(
        {}, ["data.source=digits", "data.test_fraction=0", f"runs_dir={tmp_path}", "train.epochs=2"], ""
    )
    dataset = open_dataset(config.data)
    run = start_run(config, dataset).run
    assert "unfinished" not in [finding.code for finding in diagnose(gather_evidence([run], dataset)).findings]
    run.config_file.write_text(run.config_file.read_text().replace("epochs: 2", "epochs: 9"))
    found = next(f for f in diagnose(gather_evidence([run], dataset)).findings if f.code == "unfinished")
    assert found.commands == (f"eyas train --resume {run.path}",)


def test_a_run_without_validation_images_or_without_epochs_is_refused(tmp_path):
    run, dataset = _train(tmp_path, _arrays(), ("data.val_fraction=0", "train.monitor=loss", "train.epochs=1"))
    with pytest.raises(DataError, match=r"needs a validation split.*data.val_fraction=0.1"):
        gather_evidence([run], dataset)
    run.best.unlink()
    with pytest.raises(DataError, match=r"no finished epoch.*eyas train --resume"):
        gather_evidence([run], dataset)
