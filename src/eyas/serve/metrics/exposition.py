"""The numbers of all workers as Prometheus reads them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from eyas.serve.metrics.families import FAMILIES, PID, Family
from eyas.serve.metrics.shared import Series, Tables

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TICKS = os.sysconf("SC_CLK_TCK")


def render(tables: Tables) -> bytes:
    """Prometheus's text format, of all processes together."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(tables))
    return generate_latest(registry)


class _Numbers(Collector):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def collect(self) -> Iterator[Metric]:
        """Each family, with all its series."""
        total = self._tables.total()
        for family in FAMILIES.values():
            rows = {series[1:]: numbers for series, numbers in total.items() if series[0] == family.name}
            yield _metric(family, rows)
        yield from _of_processes(_processes(self._tables, total))


def _metric(family: Family, rows: dict[Series, list[float]]) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.says, labels=family.labels)
        bounds = [*map(str, family.buckets), "+Inf"]
        for labels, numbers in rows.items():
            counts = accumulate(numbers[: len(bounds)])
            histogram.add_metric(labels, list(zip(bounds, counts, strict=True)), sum_value=numbers[len(bounds)])
        return histogram
    made = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric: CounterMetricFamily | GaugeMetricFamily = made(family.name, family.says, labels=family.labels)
    for labels, numbers in rows.items():
        metric.add_metric(labels, numbers[0])
    return metric


def _processes(tables: Tables, total: dict[Series, list[float]]) -> dict[str, int]:
    """The process id of each that writes a table, 0 where it has ended."""
    workers = {f"worker-{slot}": int(tables.number(slot, (PID,))) for slot in range(tables.count)}
    return workers | {
        series[1]: int(numbers[0]) for series, numbers in total.items() if series[0] == PID and series[1:]
    }


def _of_processes(processes: dict[str, int]) -> Iterable[Metric]:
    """CPU time and memory of each process that still runs, as the kernel tells them."""
    cpu = CounterMetricFamily("process_cpu_seconds", "User and system CPU time.", labels=["process"])
    memory = GaugeMetricFamily("process_resident_memory_bytes", "Resident memory.", labels=["process"])
    for name, pid in processes.items():
        if not pid:
            continue
        try:
            with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123  (a path object costs more than the read)
                fields = file.read().rpartition(")")[2].split()
        except OSError:  # it has just ended, or this system has no /proc
            continue
        cpu.add_metric([name], (int(fields[11]) + int(fields[12])) / TICKS)
        memory.add_metric([name], int(fields[21]) * os.sysconf("SC_PAGESIZE"))
    return cpu, memory
