"""Trials that differ in numbers alone, trained as one program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eyas.cli import app
from eyas.core.config import load_config
from eyas.data import open_dataset
from eyas.tune.executors.contract import Ended, EpochDone, TrialJob
from eyas.tune.executors.local import LocalExecutor
from eyas.tune.executors.together import first_group, program_size, train_group
from eyas.tune.executors.training import train_trial
from eyas.tune.running import read_trials
from eyas.tune.space import Choice, Float, Space

SPACE = "train.learning_rate: {low: 0.0005, high: 0.05, log: true}\nmodel.dropout: {low: 0.0, high: 0.5}\n"
WORDS = ["data.source=digits", "model.hidden=[16]", "train.epochs=3", "train.threads=1", "train.precision=fp32"]
WORDS += ["train.optimizer=sgd", "model.dropout=0.0"]


def job(number: int, rate: float, until: int = 2, after: int = 0, *words: str) -> TrialJob:
    config = load_config(None, [*WORDS, f"train.learning_rate={rate}", f"name=trial-{number}", *words])
    return TrialJob(number, f"trial-{number}", config, until, after, "val_accuracy", rising=True)


def test_trials_of_a_kind_are_one_group_and_others_wait() -> None:
    jobs = [
        job(0, 0.1),
        job(1, 0.2),
        job(2, 0.1, 3),
        job(3, 0.3, 2, 0, "train.batch_size=64"),
        job(4, 0.4),
        job(5, 0.5),
    ]
    assert [one.number for one in first_group(jobs, 3, ())] == [0, 1, 4]
    assert [one.number for one in first_group(jobs, 8, {1})] == [0, 4, 5]
    assert [one.number for one in first_group(jobs, 8, {0})] == [0]
    assert [one.number for one in first_group(jobs[2:], 8, ())] == [2]


def test_a_group_ends_as_each_trial_would_alone(tmp_path: Path) -> None:
    rates = (0.5, 0.1, 0.02)
    said: list[object] = []
    together = train_group([job(k, rate) for k, rate in enumerate(rates)], tmp_path / "together", said.append, bool)
    alone = [train_trial(job(k, rate), tmp_path / "alone", said.append, bool) for k, rate in enumerate(rates)]
    for one, other in zip(together, alone, strict=True):
        assert (one.number, one.epochs, one.stopped) == (other.number, other.epochs, other.stopped)
        assert one.value == pytest.approx(other.value, abs=0.01)
    further = train_group([job(k, rates[k], 3, 2) for k in (0, 1)], tmp_path / "together", said.append, bool)
    assert [(one.number, one.epochs) for one in further] == [(0, 3), (1, 3)]


def test_it_is_chosen_only_where_trials_differ_in_numbers_alone() -> None:
    config = load_config(None, WORDS)
    dataset = open_dataset(config.data)
    widths = Space([Choice("model.hidden", ([16], [32])), Float("model.dropout", 0.0, 0.5)])
    assert program_size(config, widths, dataset) == 1
    assert program_size(config, Space([Float("model.dropout", 0.0, 0.5)]), dataset) in (1, 8)


def test_places_are_counted_by_trial(tmp_path: Path) -> None:
    executor = LocalExecutor(tmp_path, 1, together=4)
    try:
        for number in range(4):
            assert executor.free == 4 - number
            executor.submit(job(number, 0.1, 1))
        ended = []
        while len(ended) < 4:
            ended += [event for event in executor.events(5.0) if hasattr(event, "epochs")]
        assert sorted(event.number for event in ended) == [0, 1, 2, 3]
        assert executor.free == 4
    finally:
        executor.close()


def test_a_program_that_is_stopped_leaves_every_trial_at_a_checkpoint(tmp_path: Path) -> None:
    executor = LocalExecutor(tmp_path, 1, together=3)
    try:
        for number in range(3):
            executor.submit(job(number, 0.1, 2000, 0, "train.epochs=2000", "train.early_stopping=null"))
        while not any(isinstance(event, EpochDone) for event in executor.events(5.0)):
            pass
        ended = [event for event in executor.stop() if not isinstance(event, EpochDone)]
    finally:
        executor.close()
    assert [(type(one), one.stopped) for one in ended if isinstance(one, Ended)] == [(Ended, True)] * 3
    assert len(ended) == 3
    assert all((tmp_path / f"trial-{number}" / "last.pt").exists() for number in range(3))


@pytest.mark.slow
def test_a_search_trains_its_trials_as_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("eyas.tune.beginning.program_size", lambda *_: 4)  # whatever the probe says on this machine
    Path("space.yaml").write_text(SPACE)
    words = ["tune", "digits", "model.hidden=[16]", "train.epochs=3", "--space", "space.yaml", "--trials", "9"]
    done = CliRunner().invoke(app, [*words, "--seeds", "1", "--workers", "1", "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert found["totals"]["configurations"] == 9
    trials = read_trials(Path("runs") / found["study"])
    assert {one.state for one in trials} <= {"complete", "pruned"}
