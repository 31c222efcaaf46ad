"""The files for Prometheus, Alertmanager and Grafana: the tools take them, and they name what there is."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from eyas.serve.metrics.families import FAMILIES, Family
from support.observing import (
    ALERTMANAGER,
    DASHBOARD,
    DEPLOY,
    PROMETHEUS,
    RULE_TESTS,
    RULES,
    alerts,
    dashboard,
    looked_at,
    panels,
    queries,
    rules,
)
from support.pages import ROOT
from support.prometheus import needs_prometheus, run_program, running_alertmanager
from support.waiting import wait_until

ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
NAME = re.compile(r"(?<![\w:./-])(?:eyas|http_server|rpc_server)_\w+")
CORE_PANELS = {"timeseries", "state-timeline"}
RUNBOOK = ROOT / "docs" / "howto" / "alerts.md"


def samples(family: Family) -> set[str]:
    """Names of its series."""
    return {family.name + ending for ending in ENDINGS[family.kind]}


KNOWN = {name for family in FAMILIES.values() for name in samples(family)}


@needs_prometheus
def test_promtool_takes_the_rules_and_the_configuration() -> None:
    assert "SUCCESS" in run_program("promtool", "check", "rules", str(RULES))
    assert "SUCCESS" in run_program("promtool", "check", "config", str(PROMETHEUS))


@needs_prometheus
def test_each_alert_comes_where_it_should_and_not_where_it_should_not() -> None:
    run_program("promtool", "test", "rules", str(RULE_TESTS))


def test_each_alert_has_a_case_in_which_it_comes_and_one_in_which_it_does_not() -> None:
    cases = [one for test in yaml.safe_load(RULE_TESTS.read_text())["tests"] for one in test["alert_rule_test"]]
    told = {(one["alertname"], bool(one.get("exp_alerts"))) for one in cases}
    assert told == {(alert["alert"], comes) for alert in alerts() for comes in (True, False)}


@needs_prometheus
def test_amtool_takes_the_configuration_of_alertmanager() -> None:
    said = run_program("amtool", "check-config", str(ALERTMANAGER))
    assert "2 inhibit rules" in said
    assert "1 receivers" in said


@needs_prometheus
def test_a_page_hides_the_tickets_of_its_cause_and_no_others(tmp_path: Path) -> None:
    hidden = {
        "EyasErrorBudgetBurnsSlowly", "EyasLatencyBudgetBurnsSlowly", "EyasRequestsShed", "EyasWorkersRestart"
    }  # fmt: skip
    told = [{"alertname": one["alert"], "job": "eyas", **one["labels"]} for one in alerts()]
    with running_alertmanager(ALERTMANAGER, tmp_path) as url:
        api = f"{url}/api/v2/alerts"
        assert httpx.post(api, json=[{"labels": one} for one in told]).status_code == 200

        def inhibited() -> set[str]:
            found = httpx.get(api).json()
            return {one["labels"]["alertname"] for one in found if one["status"]["inhibitedBy"]}

        wait_until(lambda: hidden <= inhibited(), seconds=20)
        assert inhibited() - {"EyasDriftFound"} == hidden  # and that one by EyasDrift


def test_each_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sections == [alert["alert"] for alert in alerts()]
    for alert in alerts():
        notes = alert["annotations"]
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert "$labels" in notes["summary"] + notes["description"]
        assert notes["runbook_url"] == f"docs/howto/alerts.md#{alert['alert'].lower()}"


@pytest.mark.parametrize("folder", ["deploy", "docs"])
def test_each_metric_that_is_named_is_one_of_ours(folder: str) -> None:
    files = [file for file in (ROOT / folder).rglob("*") if file.suffix in (".yml", ".json", ".md")]
    named = {name for file in files for name in NAME.findall(file.read_text())}
    assert len(named) >= 10
    assert named - KNOWN - FAMILIES.keys() == set()


def test_each_family_is_on_the_dashboard() -> None:
    shown = {name for query in queries() for name in NAME.findall(query)}
    assert [family.name for family in FAMILIES.values() if not samples(family) & shown] == []


def test_what_the_dashboard_and_the_alerts_take_from_rules_is_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    texts = [*queries(), *(alert["expr"] for alert in alerts())]
    assert {name for text in texts for name in re.findall(r"job:\w+:\w+", text)} <= recorded


def test_the_dashboard_is_one_that_grafana_takes_as_it_is() -> None:
    board = dashboard()
    assert board["uid"] == "eyas-service"
    assert board["schemaVersion"] >= 36
    assert [one["name"] for one in board["templating"]["list"]] == ["datasource", "job", "model", "version"]
    numbers = [panel["id"] for panel in board["panels"]]
    assert len({*numbers}) == len(numbers)
    assert "grafana.com" not in DASHBOARD.read_text()
    provider = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "dashboards" / "eyas.yml").read_text())
    assert provider["providers"][0]["type"] == "file"
    source = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text())
    assert source["datasources"][0]["type"] == "prometheus"


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_each_panel_says_what_it_shows_and_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["type"] in CORE_PANELS
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    for one in (panel, *panel["targets"]):
        assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert all(target["legendFormat"] for target in panel["targets"])


def test_no_panel_lies_over_another() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if _overlap(*pair)] == []


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in (("x", "w"), ("y", "h"))
    )


def test_a_condition_is_looked_at_by_its_comparisons_alone() -> None:
    expr = 'up{job="eyas", route!~"|/a", code=~"5.."} == 0 and (x >= 50) < 1 or y > 2'
    assert looked_at(expr) == (
        'up{job="eyas", route!~"|/a", code=~"5.."} == bool 0 and (x >= bool 50) < bool 1 or y > bool 2'
    )
