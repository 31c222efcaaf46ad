"""Tracking servers that are down, die, or hang."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import impatient_sender
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from eyas.core.processes import start_module
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.delivery import process
from eyas.track.delivery.sink import REMOTE, STARTING
from eyas.track.delivery.spool import Spool
from eyas.track.trackers import Curves, make_trackers
from eyas.train import Callback, start_run
from eyas.train.callbacks import EpochEnd, RunEnd
from support.server import free_port
from support.tracking import MlflowServer, eyas, history, only_run, waiting
from support.waiting import wait_until

END_SECONDS = STARTING + REMOTE


class Stopwatch(Callback):
    """When the end of training began."""

    at = 0.0

    def on_end(self, end: RunEnd) -> None:
        self.at = time.monotonic()


class KillServer(Callback):
    """Kills the server after an epoch, once it has some of the run."""

    def __init__(self, server: MlflowServer) -> None:
        self._server = server

    def on_epoch(self, end: EpochEnd) -> None:
        if end.row.epoch == 2:
            wait_until(self._has_an_epoch, 60)
            self._server.kill()

    def _has_an_epoch(self) -> bool:
        try:
            return len(history("loss", self._server.url)) >= 1
        except (MlflowException, AssertionError, ValueError):  # no experiment, no run, no metric yet
            return False


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Connections are taken by the kernel, and nobody ever answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


@pytest.mark.slow
def test_a_server_dies_in_the_middle_and_gets_all_of_it_once_later(
    server: MlflowServer,
    config: Callable[..., Config],
    digits: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    watch, settings = Stopwatch(), config("track=[mlflow]", "train.epochs=4")
    result = start_run(settings, digits, [Curves(), *make_trackers(settings.track), KillServer(server), watch])
    assert len(result.history) == 4
    warning = capfd.readouterr().err
    assert f"eyas track sync {result.run.path}" in warning
    assert waiting(result.run) > 0
    done = eyas("track", "sync", result.run.path, code=9, fresh=True)
    assert "records wait" in done.stderr

    server.start()
    for _ in range(2):
        assert "mlflow has everything" in eyas("track", "sync", result.run.path).stdout
    assert waiting(result.run) == 0
    assert history("loss", server.url) == [(row.epoch, row.loss) for row in result.history]
    assert [step for step, _ in history("step_loss", server.url)] == list(range(10, 4 * 23 + 1, 10))
    run = only_run(uri=server.url)
    assert (run.info.status, run.data.params["epochs"]) == ("FINISHED", "4")
    client = MlflowClient(server.url)
    loaded = client.download_artifacts(run.info.run_id, "best.pt", str(result.run.path / "track"))
    assert Path(loaded).read_bytes() == result.run.best.read_bytes()


@pytest.mark.slow
def test_a_slow_server_gets_all_of_it(
    server: MlflowServer, config: Callable[..., Config], digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer takes so long that no single patience would last for all of them."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    settings = config("track=[mlflow]", "train.epochs=1")
    result = start_run(settings, digits, [Curves(), *make_trackers(settings.track)])
    sender = partial(start_module, impatient_sender.__name__)
    monkeypatch.setattr(process, "start_module", lambda _, *words, **options: sender(*words, **options))
    with slow_way(server.url, 0.8) as (url, asked):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        (outcome,) = process.deliver(Spool(result.run.path))
    assert (outcome.left, outcome.error) == (0, None)
    assert asked[-1] - asked[0] > impatient_sender.PATIENCE
    assert only_run(uri=server.url).info.status == "FINISHED"


@contextmanager
def slow_way(server: str, seconds: float) -> Iterator[tuple[str, list[float]]]:
    """An address that passes every request on, after so long; and when each came."""
    asked: list[float] = []

    class Way(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            asked.append(time.monotonic())
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = {name: value for name, value in self.headers.items() if name.lower() in ("content-type",)}
            time.sleep(seconds)  # what is tested
            answer = httpx.request(self.command, server + self.path, content=body, headers=kept, timeout=30)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_PATCH = pass_on  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Way) as serving:
        Thread(target=serving.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}", asked
        serving.shutdown()


@pytest.mark.parametrize("server_is", ["absent", "silent"])
def test_a_server_that_does_not_answer_is_said_in_a_line(
    server_is: str,
    silent_port: int,
    config: Callable[..., Config],
    digits: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = silent_port if server_is == "silent" else free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://somebody:secret@127.0.0.1:{port}")
    watch, settings = Stopwatch(), config("track=[mlflow]")
    result = start_run(settings, digits, [watch, *make_trackers(settings.track)])
    assert time.monotonic() - watch.at < END_SECONDS
    assert result.finished
    (warning,) = capfd.readouterr().err.splitlines()
    assert warning.startswith(f"warning: mlflow: {waiting(result.run)} records are not delivered (")
    assert "secret" not in warning + (result.run.path / "track" / "records.jsonl").read_text()
