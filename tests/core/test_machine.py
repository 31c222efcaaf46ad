from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from eyas.core.machine import cpu_name, usable_cores


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("1600000 100000", 8)],
)
def test_cgroup_v2(quota: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3), ("10000", 1)])
def test_cgroup_v1(quota: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(
    ("own", "limits", "cores"),
    [
        ("0::/user/service", {"user/service/cpu.max": "300000 100000", "user/cpu.max": "max 100000"}, 3),
        ("0::/user/service", {"user/service/cpu.max": "max 100000", "user/cpu.max": "200000 100000"}, 2),
        ("0::/user/service", {"other/cpu.max": "200000 100000"}, 8),
        ("0::/../service", {"cpu.max": "400000 100000"}, 4),
        ("5:cpuacct,cpu:/docker/a", {"cpu/docker/a/cpu.cfs_quota_us": "200000"}, 2),
    ],
)
def test_the_groups_above_its_own_count_too(own: str, limits: dict[str, str], cores: int, tmp_path: Path) -> None:
    (tmp_path / "own").write_text(own + "\n")
    for name, limit in limits.items():
        file = tmp_path / "mounted" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit + "\n")
        (file.parent / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path / "mounted", tmp_path / "own") == cores


def test_no_cgroup_leaves_the_affinity(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "none") == 8


def test_where_there_is_no_affinity_the_machines_count_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert usable_cores(tmp_path) == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores(tmp_path) == 1


def test_the_processor_has_a_name() -> None:
    assert cpu_name()


KEEP = """
import resource, sys
from eyas.core.machine import keep_freed_memory

import numpy as np

if sys.argv[1] == "keep":
    assert keep_freed_memory()
np.ones(5_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(5_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told")
def test_buffers_that_are_kept_cost_no_page_faults():
    faults = [
        int(subprocess.run([sys.executable, "-c", KEEP, how], capture_output=True, text=True, check=True).stdout)
        for how in ("plain", "keep")
    ]
    assert faults[1] < faults[0] / 10
