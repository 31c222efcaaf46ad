"""A search on a real Ray cluster of two nodes, of which one dies."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from eyas.cli import app
from eyas.core.config import load_config
from eyas.core.errors import EyasError
from eyas.core.marks import FOUND
from eyas.tune.executors.carrying import Changes, read_files, replace_folder, write_files
from eyas.tune.running import read_trials
from support.ray_start import ease_ray
from support.waiting import wait_until

WORDS = ("model.hidden=[256]", "train.batch_size=8", "train.epochs=9", "--space", "dropout.yaml", "--sampler", "random")


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one CPU each."""
    ease_ray(tmp_path_factory.mktemp("without"), monkeypatch)
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def rows(run: Path) -> list[str]:
    """Of its history: an epoch each, with its seconds, which no second training repeats."""
    return (run / "history.csv").read_text().splitlines()[1:] if (run / "last.pt").exists() else []


@pytest.mark.slow
@pytest.mark.timeout(600)  # three processes of Ray's a node, and torch in each that trains
def test_a_study_outlives_a_node(home, cluster):
    Path("dropout.yaml").write_text("model.dropout: {low: 0.0, high: 0.5}\n")
    folder = home / "runs/digits-tune-1"
    runs = [folder / "runs" / name for name in ("trial-0", "trial-1")]

    def kill_a_node() -> list[list[str]]:
        wait_until(lambda: all(len(rows(run)) >= 1 for run in runs), 240)
        (node,) = cluster.worker_nodes
        cluster.remove_node(node, allow_graceful=False)
        return [rows(run) for run in runs]

    with ThreadPoolExecutor(1) as beside:
        killed = beside.submit(kill_a_node)
        words = ["tune", "digits", *WORDS, "--trials", "4", "--seeds", "1", "--inherit", "--ray", cluster.address]
        done = CliRunner().invoke(app, [*words, "--no-halving"], catch_exceptions=False)
    assert done.exit_code == 0, done.output

    records = read_trials(folder)
    assert [(one.number, one.state, one.epochs, one.continues) for one in records] == [
        (number, "complete", 9, None) for number in range(4)
    ]
    assert sorted(one.deaths for one in records) == [0, 0, 0, 1]
    assert max(one.number for one in records if one.deaths) <= 1
    assert all(list(one.curve) == list(range(1, 10)) for one in records)
    assert min(len(before) for before in killed.result()) < 9  # the other may have been done
    for run, before in zip(runs, killed.result(), strict=True):  # went on from there: no epoch that had come anew
        assert rows(run)[: len(before)] == before
    configs = [load_config(folder / "runs" / str(one.run) / "config.yaml") for one in records]
    assert {config.runs_dir for config in configs} == {str(folder / "runs")}
    givers = {str(folder / "runs" / str(one.run)) for one in records if not one.baseline}
    assert configs[3].train.start_from in givers  # whose weights came along
    assert len(json.loads((folder / FOUND).read_text())["trials"]) == 4


def refused(*words: str) -> str:
    error = CliRunner().invoke(app, ["tune", "digits", *words]).exception
    assert isinstance(error, EyasError), error
    return str(error)


def test_a_cluster_that_is_not_there_is_named_at_once(home):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        port = closed.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
            assert f"no Ray cluster answers at {address} (" in refused("--ray", address)
    assert "--ray must be auto, HOST:PORT or ray://HOST:PORT, got 'there'" in refused("--ray", "there")
    assert not Path("runs").exists()


def test_only_what_is_new_is_carried(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    write_files(here, {"config.yaml": b"1", "track/records.jsonl": b"a\n"})
    replace_folder(there, read_files(here))
    changes = Changes(there)
    assert changes.take() == {}
    write_files(there, {"last.pt": b"2", "track/records.jsonl": b"a\nb\n"})
    (there / ".last.pt.part").write_bytes(b"half")
    found = changes.take()
    assert found == {"last.pt": b"2", "track/records.jsonl": b"a\nb\n"}
    assert changes.take() == {}
    write_files(here, found)
    replace_folder(there, read_files(here))
    assert read_files(there) == {"config.yaml": b"1", **found}
    assert not (there / ".last.pt.part").exists()
