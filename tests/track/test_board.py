"""TensorBoard's event files, read back by TensorBoard."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from eyas.core.runs import RunFolder, open_run
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.afterwards import record_evaluation
from eyas.track.board import typed
from eyas.track.trackers import Curves, make_trackers
from eyas.train import evaluate_run, resume_run, start_run
from support.training import StopAfter


def read(run: RunFolder) -> EventAccumulator:
    """All events, none thinned."""
    kinds = ("scalars", "images", "tensors", "graph", "compressedHistograms", "histograms", "audio")
    events = EventAccumulator(str(run.path / "tensorboard"), dict.fromkeys(kinds, 0))
    events.Reload()
    return events


def points(events: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(name)]


def picture(events: EventAccumulator, name: str) -> Image.Image:
    return Image.open(io.BytesIO(events.Images(name)[-1].encoded_image_string))


def test_what_tensorboard_shows(config: Callable[..., Config], digits: Dataset) -> None:
    settings = config("track=[tensorboard]")
    result = start_run(settings, digits, make_trackers(settings.track))
    events = read(result.run)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        expected = [(row.epoch, pytest.approx(getattr(row, name), rel=1e-6)) for row in result.history]
        assert points(events, name) == expected
    assert [step for step, _ in points(events, "step_loss")] == list(range(10, 3 * 23 + 1, 10))
    assert picture(events, "training images").size == (6 * 64, 6 * 64)
    assert min(picture(events, "confusion").size) > 400
    assert "learning_rate" in events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()

    assert any("aten::linear" in node.op for node in graph(events))
    start = HParamsPluginData.FromString(events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    assert start.session_start_info.hparams["train.batch_size"].number_value == 64
    assert start.session_start_info.hparams["optimizer"].string_value == "adam"
    assert "_hparams_/session_end_info" in events.summary_metadata

    found = evaluate_run(result.run, digits, "test")
    record_evaluation(result.run, "test", found.summary())
    assert points(read(result.run), "test_accuracy") == [(0, pytest.approx(found.accuracy))]


def graph(events: EventAccumulator) -> list[Any]:
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    definition = events.Graph()
    assert isinstance(definition, GraphDef)
    return list(definition.node)


@pytest.mark.parametrize("tracks_before", [True, False])
def test_a_run_that_goes_on_has_every_point_once(
    tracks_before: bool, config: Callable[..., Config], digits: Dataset
) -> None:
    settings = config("track=[tensorboard]")
    before = make_trackers(settings.track) if tracks_before else []
    stopped = start_run(settings, digits, [Curves(), *before, StopAfter(1)])
    assert not stopped.finished
    result = resume_run(open_run(stopped.run.path), digits, make_trackers(settings.track))
    events = read(result.run)
    assert [step for step, _ in points(events, "loss")] == [1, 2, 3]
    first = 10 if tracks_before else 30
    assert [step for step, _ in points(events, "step_loss")] == list(range(first, 3 * 23 + 1, 10))


def test_tracking_changes_nothing_in_what_is_learned(
    config: Callable[..., Config], digits: Dataset, tmp_path: Path
) -> None:
    plain = start_run(config("model=cnn", "train.epochs=1"), digits)
    settings = config("model=cnn", "train.epochs=1", "track=[tensorboard]")
    tracked = start_run(settings, digits, make_trackers(settings.track))
    one, other = (torch.load(run.run.best, weights_only=True)["weights"] for run in (plain, tracked))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_network_that_cannot_be_traced_is_tracked_without_its_graph(
    config: Callable[..., Config], digits: Dataset, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / "odd.py").write_text(
        "import torch\n"
        "class Odd(torch.nn.Module):\n"
        "    def __init__(self, width, classes):\n"
        "        super().__init__()\n"
        "        self.dense = torch.nn.Linear(width, classes)\n"
        "    def forward(self, x):\n"
        "        if torch.jit.is_tracing():\n"
        "            raise RuntimeError('not like this')\n"
        "        return self.dense(x.flatten(1))\n"
        "def build(input_shape, classes):\n"
        "    height, width, channels = input_shape\n"
        "    return Odd(height * width * channels, classes)\n"
    )
    settings = config("track=[tensorboard]", "train.epochs=1", "model=odd.py:build")
    result = start_run(settings, digits, make_trackers(settings.track))
    events = read(result.run)
    assert "not like this" in events.Tensors("graph/text_summary")[0].tensor_proto.string_val[0].decode()
    assert [step for step, _ in points(events, "loss")] == [1]
    assert capfd.readouterr() == ("", "")


def test_words_become_numbers_where_they_are() -> None:
    found = typed({"a": "0.5", "b": "true", "c": "null", "d": "[512]", "e": "adam"})
    assert found == {"a": 0.5, "b": True, "c": "null", "d": "[512]", "e": "adam"}
    assert np.isfinite(found["a"])
