"""`eyas monitor` and `eyas monitor --follow`: what is drawn, in a real terminal and elsewhere, of a real service."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from eyas.bundle import Bundle, Repository
from eyas.cli import app
from eyas.cli.monitor_follow import looks
from eyas.cli.monitor_view import parts, plain
from eyas.client import Client
from eyas.image import ImagePolicy
from eyas.rollout import make_plan, rollouts_of
from support.bundles import VAL, digits, make_bundle
from support.server import running
from support.terminal import heed_ctrl_c, terminal
from support.waiting import wait_until

VERSION: dict[str, Any] = {
    "model": "fashion-mnist",
    "version": "fashion-mnist-cpu-12-1a2b3c4d",
    "predictions": 1_234_567,
    "watched": 1000,
    "needs_review": 50_000,
    "unknown": 1234,
    "drift": "now",
    "why_not": None,
    "feedback": {"labels": 1200, "right": 900, "accuracy": 0.75, "lower": 0.71, "upper": 0.79},
    "alarms": [
        {
            "model": "fashion-mnist",
            "version": "fashion-mnist-cpu-12-1a2b3c4d",
            "raised": f"2026-01-0{day}T10:00:00+00:00",
            "kind": "covariate shift",
            "streams": ["confidence", "energy"],
            "at": 90,
            "since": 61,
            "classes": [{"label": "[bag]", "before": 0.1, "since": 0.42}],
            "examples": ["0123456789abcdef0123456789abcdef"],
        }
        for day in (3, 2)
    ],
    "p95_seconds": 0.01234,
    "tested": {"accuracy": 0.91, "lower": 0.9, "upper": 0.92},
}
ARM = {"version": "fashion-mnist-cpu-12-1a2b3c4d", "requests": 1234, "p95_seconds": 0.0031, "p99_seconds": None}
ROLLOUT: dict[str, Any] = {
    "model": "fashion-mnist",
    "mode": "shadow",
    "status": "running",
    "share": 0.05,
    "stage": 1,
    "stages": 4,
    "champion": ARM | {"labels": 10},
    "challenger": ARM | {"version": "2", "labels": 12},
    "loss": [-0.02, 0.031],
    "disagreement": [0.01, 0.2],
    "verdict": "roll back",
    "reasons": ["the shadow names another class on more than 12 % of the images", "and so on"],
}
TOLD = {"kind": "webhook", "place": "https://hooks.example.com/…", "sent": 3, "waiting": 1, "trouble": "404 Not Found"}
FOUND: dict[str, Any] = {
    "versions": [VERSION],
    "rollouts": [ROLLOUT],
    "store": {"place": "p.db", "written": 9, "waiting": 0, "dropped": {"full": 2}, "trouble": None},
    "alerts": [TOLD | {"given_up": {"404 Not Found": 2}}],
    "lost": 3,
}
RATES = {("fashion-mnist", VERSION["version"]): 51.04}

PIPES: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def drawn(width: int, found: dict[str, Any] = FOUND) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    for part in parts(found, RATES):
        console.print(part)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_all_that_is_known_is_drawn_within_the_terminal(width: int) -> None:
    lines = drawn(width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for said in (
        "1,234,567 51.0 12.3 ms 4.1% 0.1% now",
        "75.0% (71.0% to 79.0%) of 1,200 labels; 91.0% when it was tested",
        "rollout of fashion-mnist 2: shadow, running, stage 1 of 4, 5% of the requests",
        "challenger 2 1,234 3.1 ms 12",
        "accuracy that the challenger loses: -2.0% to 3.1%",
        "another class: 1.0% to 20.0%",
        "roll back: the shadow names another class on more than 12 % of the images; and so on",
        "[bag] 10.0% → 42.0%",
        "9 predictions are in p.db; dropped: 2 full",
        "alerts to the webhook https://hooks.example.com/…: 3 taken, 1 wait; given up: 2 (404 Not Found); now: 404",
        "3 predictions were not told to the monitor",
    ):
        assert said in text
    assert text.index("2026-01-02") < text.index("2026-01-03")


def test_a_service_of_an_older_eyas_is_shown_as_far_as_it_tells() -> None:
    old = {name: value for name, value in VERSION.items() if name not in ("p95_seconds", "tested")}
    found = {"versions": [old], "rollouts": [], "store": None, "lost": 0}
    assert any("of 1,200 labels" in line for line in drawn(80, found))
    assert [*plain(found, {})] == [
        "fashion-mnist fashion-mnist-cpu-12-1a2b3c4d: 1,234,567 predictions; drift: now; "
        "accuracy: 75.0% (71.0% to 79.0%) of 1,200 labels"
    ]


def send(url: str, count: int) -> None:
    images, _ = digits(ImagePolicy(8, 8, 1), VAL)
    with httpx.Client(base_url=url) as client:
        for image in images[:count].tolist():
            assert client.post("/predict", json={"data": image, "range": 255}).status_code == 200


def test_a_terminal_is_redrawn_until_ctrl_c_though_the_service_goes_away(grey: Bundle) -> None:
    monitor = {"most_per_second": 1e6}
    with running(grey.path, workers=1, monitor=monitor) as server:
        words = ("monitor", "--follow", "--every", "0.2", "--url", server.url)
        with terminal(*words) as shown:
            wait_until(lambda: "predictions" in shown.text, seconds=30)
            send(server.url, 30)
            wait_until(lambda: any(" 30 " in line and "none" in line for line in shown.last), seconds=20)
            assert "a second" in " ".join(shown.last)
            server.stop()
            wait_until(lambda: "no answer, trying again" in " ".join(shown.last), seconds=20)
            assert any(" 30 " in line for line in shown.last)  # what was known stays
            with running(grey.path, workers=1, monitor=monitor, port=server.port):
                wait_until(lambda: any(" 0 " in line and "none" in line for line in shown.last), seconds=30)
                shown.process.send_signal(signal.SIGINT)
                assert shown.process.wait(20) == 0
            assert "Traceback" not in shown.text


def test_elsewhere_lines_are_printed_and_a_rollout_is_among_them(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "models")
    repository.publish(make_bundle(tmp_path / "old", version="digits-1").path, live=True)
    repository.publish(make_bundle(tmp_path / "new", version="digits-2", sharpness=1.1).path)
    plan = make_plan({"champion": "digits-1", "challenger": "digits-2", "mode": "canary", "stages": [0.3, 1.0]})
    rollouts_of(repository, "digits").start(plan, by="ann", why="", now=time())
    with running(repository.path, workers=1, poll_seconds=0.2, monitor={}) as server:

        def judged() -> bool:
            answer = httpx.get(f"{server.url}/monitor")
            return answer.status_code == 200 and answer.json()["rollouts"] != []

        wait_until(judged, seconds=30)
        once = CliRunner().invoke(app, ["monitor", "--url", server.url]).output
        assert "rollout of digits digits-2: canary, running, stage 1 of 2, 30% of the requests" in once
        assert "hold: 0 of at least 500 requests at 30 %" in once
        words = ["monitor", "--follow", "--every", "0.2", "--url", server.url]
        command = [sys.executable, "-m", "eyas", *words]
        lines = first_lines(command, 9)
        documents = [json.loads(line) for line in first_lines([*command, "--json"], 2)]
    assert "digits digits-1: 0 predictions; drift: none; accuracy: no store keeps labels" in lines[0]
    assert sum("a second" in line for line in lines) >= 2
    assert any("stage 1 of 2, 30% of the requests; hold: 0 of at least 500 requests at 30 %" in line for line in lines)
    assert [one["monitor"]["rollouts"][0]["stage"] for one in documents] == [1, 1]
    assert documents[0]["time"] < documents[1]["time"]


def first_lines(command: list[str], count: int) -> list[str]:
    """What a follower prints before it is ended by Ctrl-C."""
    with subprocess.Popen(command, **PIPES, preexec_fn=heed_ctrl_c) as follower:
        assert follower.stdout
        lines = [follower.stdout.readline() for _ in range(count)]
        follower.send_signal(signal.SIGINT)
        assert follower.wait(20) == 0
    return lines


def test_a_service_that_asks_for_patience_is_asked_again(grey: Bundle) -> None:
    rate = {"per_second": 0.01, "burst": 1}
    with running(grey.path, workers=1, monitor={}, rate=rate) as server, Client(server.url, tries=1) as client:
        troubles = [one.trouble for one in islice(looks(client, every=0), 3)]
    assert all("must come slower" in (why or "") for why in troubles[1:]), troubles


def test_what_can_never_be_followed_is_an_error_at_once(grey: Bundle) -> None:
    with running(grey.path, workers=1) as server:  # nothing is watched
        result = CliRunner().invoke(app, ["monitor", "--follow", "--url", server.url])
        assert result.exit_code == 1
        assert "404" in str(result.exception)
