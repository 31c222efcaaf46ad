"""Weights & Biases for real, without a network: its own files are read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from wandb.proto.wandb_internal_pb2 import Record

from eyas.core.runs import RunFolder
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.afterwards import record_evaluation
from eyas.track.delivery.spool import Spool
from eyas.track.delivery.to_wandb import WandbSink
from eyas.track.trackers import Curves, make_trackers, where_to_look
from eyas.train import evaluate_run, start_run
from support.tracking import history

BLOCK, HEADER = 32 * 1024, 7


def records(run: RunFolder) -> Iterator[Record]:
    """What wandb wrote: LevelDB's log format, a record cut into parts at the edges of blocks."""
    for file in sorted((run.path / "wandb").glob("offline-run-*/run-*.wandb")):
        content, at, parts = file.read_bytes(), HEADER, b""
        while at + HEADER <= len(content):
            if BLOCK - at % BLOCK < HEADER:
                at += BLOCK - at % BLOCK
                continue
            length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
            parts += content[at + HEADER : at + HEADER + length]
            at += HEADER + length
            if kind in (1, 4):  # whole, or the last part
                yield Record.FromString(parts)
                parts = b""


def rows(run: RunFolder) -> list[dict[str, object]]:
    """The history."""
    return [
        {(item.key or ".".join(item.nested_key)): json.loads(item.value_json) for item in record.history.item}
        for record in records(run)
        if record.WhichOneof("record_type") == "history"
    ]


def test_an_offline_run_beside_mlflow(
    config: Callable[..., Config], digits: Dataset, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_PROJECT", "course")
    settings = config("track=[mlflow,wandb]")
    result = start_run(settings, digits, [Curves(), *make_trackers(settings.track)])
    found = evaluate_run(result.run, digits, "test")
    record_evaluation(result.run, "test", found.summary())

    epochs = [row for row in rows(result.run) if "val_loss" in row]
    assert [(row["epoch"], row["loss"], row["val_accuracy"]) for row in epochs] == [
        (row.epoch, row.loss, row.val_accuracy) for row in result.history
    ]
    assert history("val_accuracy") == [(row.epoch, row.val_accuracy) for row in result.history]
    assert [row["step"] for row in rows(result.run) if "step_loss" in row] == list(range(10, 70, 10))
    assert [row["confusion._type"] for row in rows(result.run) if "confusion._type" in row] == ["image-file"]
    assert list((result.run.path / "wandb").glob("offline-run-*/files/media/images/confusion_*.png"))

    (run, *_) = [record.run for record in records(result.run) if record.WhichOneof("record_type") == "run"]
    assert (run.project, run.display_name) == ("course", result.run.path.name)
    configured = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert configured["train"]["batch_size"] == 64
    summary = {
        (item.key or ".".join(item.nested_key)): json.loads(item.value_json)
        for record in records(result.run)
        for item in record.summary.update
    }
    assert summary["test_accuracy"] == found.accuracy
    assert summary["best_epoch"] == 3
    assert where_to_look(["wandb"], result.run) == [f"wandb sync {result.run.path}/wandb/offline-run-*"]
    assert not (home / "wandb").exists()


def test_disabled_is_nothing(config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert make_trackers(["wandb"]) == []


def test_what_is_kept_offline_is_not_counted_as_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.append({"kind": "start", "key": "k", "project": "p", "entity": None, "name": "n", "config": {}})
    monkeypatch.setenv("WANDB_MODE", "offline")
    sink = WandbSink(spool)
    sink.delivered.lines = 1
    sink.delivered.save()
    assert WandbSink(spool).delivered.lines == 1
    monkeypatch.setenv("WANDB_MODE", "online")
    assert WandbSink(spool).delivered.lines == 0


@pytest.mark.parametrize(("resumed", "lines"), [(True, 1), (False, 0)])
def test_a_run_that_is_not_there_any_more_is_sent_whole(
    resumed: bool, lines: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    spool = Spool(tmp_path)
    spool.append({"kind": "start", "key": "k"})
    sink = WandbSink(spool)
    sink.delivered.lines = 1
    answer = SimpleNamespace(resumed=resumed, define_metric=lambda *_, **__: None)  # what W&B's server would say
    monkeypatch.setattr(sink, "_begin", lambda: answer)
    sink.connect()
    assert sink.delivered.lines == lines
