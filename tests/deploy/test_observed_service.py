"""A real Prometheus reads a real service and asks all that the dashboard and the rules ask; an alert reaches a webhook.

service ◄─ Prometheus ─► Alertmanager ─► webhook
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest
import yaml

from eyas.bundle import Repository
from eyas.rollout import make_plan, rollouts_of
from eyas.serve.metrics.families import FAMILIES
from support.bundles import CLASSES, make_bundle
from support.observing import ALERTMANAGER, PROMETHEUS, RULES, alerts, dashboard, looked_at, queries, rules
from support.prometheus import (
    Prometheus,
    needs_prometheus,
    running_alertmanager,
    running_prometheus,
)
from support.receiver import Receiver
from support.server import Server, running
from support.waiting import wait_until
from support.watching import WATCH_ALL, clean, noise

pytestmark = needs_prometheus
SECONDS = 40
COUNT = "http_server_request_duration_seconds_count"
EMPTY = {"EyasAbsent": "the service is there", "EyasRequestsShed": "no request was refused: there is no 503"}
"""Rules whose expressions give nothing here, and why."""


@dataclass(frozen=True)
class Observed:
    """A service that was asked this and that, and who looks at it."""

    prometheus: Prometheus
    receiver: Receiver


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("observed")
    repository = _in_a_rollout(folder)
    monitor = {"folder": str(folder / "monitor"), "most_per_second": WATCH_ALL}
    with (
        running(repository.path, workers=1, poll_seconds=0.2, monitor=monitor) as server,
        _receiving() as receiver,
        running_alertmanager(_alertmanager(folder, receiver), folder / "alerts") as alertmanager,
        running_prometheus(_prometheus(folder, server, alertmanager), folder / "metrics") as prometheus,
    ):
        wait_until(lambda: prometheus.query("eyas_rollout_share > 0"), SECONDS)
        labels = _ask(server)
        _fail(server, 2)
        wait_until(lambda: prometheus.query(f"{COUNT}{{http_response_status_code='500'}}"), SECONDS)
        _fail(server, 6)  # now that there is a count, it can be seen to rise
        wait_until(lambda: prometheus.query("ALERTS{alertname='EyasErrorBudgetBurns'}"), SECONDS)
        wait_until(lambda: _value(prometheus, "sum(eyas_feedback_total)") == labels, SECONDS)
        wait_until(lambda: prometheus.query("ALERTS{alertname='EyasDrift'}"), SECONDS)
        wait_until(lambda: prometheus.query("job:eyas_slow_requests:ratio_rate1h"), SECONDS)  # each group has its time
        yield Observed(prometheus, receiver)


@contextmanager
def _receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()


def _in_a_rollout(folder: Path) -> Repository:
    """Version 1 fails on white images; half of the requests go to version 2, and nothing is decided of it."""
    repository = Repository(folder / "models")
    repository.publish(make_bundle(folder / "1", version="1", fails_on_white=True).path, live=True)
    repository.publish(make_bundle(folder / "2", version="2", sharpness=1.1).path)
    plan = {"champion": "1", "challenger": "2", "mode": "canary", "stages": [0.5, 1.0], "stage_requests": 100_000}
    rollouts_of(repository, "digits").start(make_plan(plan), by="test", why="to look at it", now=time())
    return repository


def _alertmanager(folder: Path, receiver: Receiver) -> Path:
    """The configuration as it is, but for where it tells and how soon."""
    config = yaml.safe_load(ALERTMANAGER.read_text())
    config["receivers"][0]["webhook_configs"][0]["url"] = receiver.url
    for route in (config["route"], *config["route"]["routes"]):
        route["group_wait"] = route["group_interval"] = "1s"
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def _prometheus(folder: Path, server: Server, alertmanager: str) -> Path:
    """The configuration as it is, but for where all is and how often it is looked at."""
    config = yaml.safe_load(PROMETHEUS.read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES)]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager.removeprefix("http://")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{server.port}"]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def _ask(server: Server) -> int:
    """Digits, labels that are right and wrong, noise, what cannot be read; how many labels were told."""
    (images, truths), told = clean(80), []
    with httpx.Client(base_url=server.url) as client:
        for number, (image, truth) in enumerate(zip(images, truths, strict=True)):
            answer = client.post("/predict", json={"data": image, "range": 255}).json()
            told.append({"id": answer["id"], "label": CLASSES[(truth + (number % 4 == 0)) % 10]})
        assert client.post("/feedback", json={"feedback": told}).status_code == 200
        for image in noise(160):
            assert client.post("/predict", json={"data": image, "range": 255}).status_code == 200
        assert client.post("/predict", json={"data": [7]}).status_code == 422
    return len(told)


def _fail(server: Server, failures: int) -> None:
    """Have so many requests answered with 500, and about as many with 200."""
    white, statuses = {"data": [[255] * 8] * 8, "range": 255}, []
    while statuses.count(500) < failures:  # each is a long line in the log, which nobody reads meanwhile
        statuses.append(httpx.post(f"{server.url}/predict", json=white).status_code)
    assert {*statuses} <= {200, 500}


def _value(prometheus: Prometheus, expr: str) -> float:
    """Of an expression with one series; 0 where there is none."""
    return sum(float(series["value"][1]) for series in prometheus.query(expr))


def test_every_query_of_the_dashboard_finds_something(observed: Observed) -> None:
    assert [expr for expr in queries() if not observed.prometheus.query(expr)] == []


def test_every_variable_of_the_dashboard_finds_something(observed: Observed) -> None:
    found = {}
    for variable in dashboard()["templating"]["list"][1:]:
        text = variable["definition"].replace("$job", "eyas").replace("$model", ".*")
        selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", text).groups()  # type: ignore[union-attr]
        found[variable["name"]] = observed.prometheus.label_values(label, selector)
    assert found == {"job": ["eyas"], "model": ["digits"], "version": ["1", "2"]}


def test_every_expression_of_the_rules_looks_at_something(observed: Observed) -> None:
    found = {
        rule.get("alert") or rule["record"]: observed.prometheus.query(looked_at(rule["expr"])) for rule in rules()
    }
    assert {name for name, series in found.items() if not series} == EMPTY.keys()


def test_every_family_is_scraped(observed: Observed) -> None:
    names = observed.prometheus.label_values("__name__", '{job="eyas"}')
    missing = [name for name in FAMILIES if not any(found.startswith(name) for found in names)]
    assert missing == ["rpc_server_call_duration_seconds", "eyas_model_unscored"]  # no gRPC; every image was scored


def test_what_is_told_is_what_was_done(observed: Observed) -> None:
    ask = observed.prometheus.query
    assert _value(observed.prometheus, 'sum(eyas_feedback_total{outcome="wrong"})') >= 20
    assert _value(observed.prometheus, 'eyas_rollout_share{model="digits", version="2"}') == 0.5
    assert len(ask("eyas_accuracy_lower < eyas_accuracy_upper")) == 2
    assert len(ask("0.8 < eyas_accuracy_held_out <= 1")) == 2
    assert _value(observed.prometheus, "eyas_store_written_total") >= 240
    assert _value(observed.prometheus, "sum(eyas_store_dropped_total)") == 0
    processes = {one["metric"]["process"] for one in ask("process_resident_memory_bytes > 1e6")}
    assert processes == {"worker-0", "supervisor", "monitor"}


def test_an_alert_reaches_the_webhook(observed: Observed) -> None:
    def told() -> list[dict[str, Any]]:
        return [alert for got in observed.receiver.got for alert in got.body["alerts"]]

    wait_until(lambda: any(one["labels"]["alertname"] == "EyasDrift" for one in told()), SECONDS)
    wait_until(lambda: any(one["labels"]["alertname"] == "EyasErrorBudgetBurns" for one in told()), SECONDS)
    (body, drift) = next(
        (got.body, one)
        for got in observed.receiver.got
        for one in got.body["alerts"]
        if one["labels"]["alertname"] == "EyasDrift"
    )
    assert body["groupLabels"] == {"job": "eyas", "model": "digits"}
    assert drift["status"] == "firing"
    assert drift["labels"]["severity"] == "ticket"
    version = drift["labels"]["version"]
    assert drift["annotations"]["summary"] == f"What digits {version} sees has changed"
    assert drift["annotations"]["runbook_url"] == "docs/howto/alerts.md#eyasdrift"
    known = {alert["alert"] for alert in alerts()}
    assert {one["labels"]["alertname"] for one in told()} <= known
