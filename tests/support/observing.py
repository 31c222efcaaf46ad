"""What `deploy/` says to Prometheus, Alertmanager and Grafana."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from support.pages import ROOT

DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "eyas.rules.yml"
RULE_TESTS = DEPLOY / "prometheus" / "eyas.rules.test.yml"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "eyas.json"
COMPARISON = re.compile(r"(?<![=!<>~])(==|>=|<=|>|<)(?!=)")


def rules() -> list[dict[str, Any]]:
    """All recording rules and alerts."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """The alerts alone."""
    return [rule for rule in rules() if "alert" in rule]


def dashboard() -> dict[str, Any]:
    """As Grafana reads it."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panels() -> list[dict[str, Any]]:
    """Those that show something, without the titles of rows."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    """Every expression of the dashboard, as Grafana sends it: all models, all versions."""
    values = {"$__rate_interval": "1m", "$job": "eyas", "$model": ".*", "$version": ".*"}
    return [_substituted(target["expr"], values) for panel in panels() for target in panel["targets"]]


def looked_at(expr: str) -> str:
    """A condition that always gives what it looks at: 1 where it holds, 0 where not."""
    return COMPARISON.sub(r"\1 bool", expr)


def _substituted(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    assert "$" not in text, text
    return text
