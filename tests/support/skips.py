"""Skips that must not be: a test that is skipped for a reason with a phrase of EYAS_MUST_RUN (with commas) fails.

A machine without PostgreSQL or Prometheus skips what needs them. Where they were installed for the tests, as in the
workflows, a skip would hide that they were not found.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

VARIABLE = "EYAS_MUST_RUN"
Kind = TypeVar("Kind", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a test."""
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Of a module that is skipped as a whole."""
    return _judged((yield))


def _judged(report: Kind) -> Kind:
    phrases = [one.strip() for one in os.environ.get(VARIABLE, "").split(",") if one.strip()]
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if any(phrase in reason for phrase in phrases):
            report.outcome = "failed"
            report.longrepr = f"{reason} ({VARIABLE} lets no test be skipped for that)"
    return report
