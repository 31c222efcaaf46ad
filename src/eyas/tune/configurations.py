"""What became of each configuration: a trial and those that go on with it, as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from eyas.tune.records import TrialRecord
from eyas.tune.swarm.rungs import gains


@dataclass(frozen=True)
class Configuration:
    """One point of the space."""

    number: int
    """Of its first trial."""
    params: Mapping[str, Any]
    """Dotted key → value, of the active dimensions."""
    particle: int | None
    baseline: bool
    values: Mapping[int, float]
    """Rung → the metric there; finite. Empty where no rung was finished."""
    trial: int
    """The one that finished the highest rung; its first where none did."""

    @property
    def rung(self) -> int:
        """The highest that it finished; -1: none."""
        return max(self.values, default=-1)

    @property
    def value(self) -> float | None:
        """At that rung."""
        return self.values.get(self.rung)


def configurations(records: Sequence[TrialRecord], rungs: Sequence[int]) -> list[Configuration]:
    """One for each configuration, by number; withdrawn trials count for nothing.

    Args:
        records: every trial.
        rungs: epochs at which each rung ends.
    """
    counted = [one for one in records if one.state != "withdrawn"]
    before = {one.number: one.continues for one in counted}
    chains: dict[int, list[TrialRecord]] = {}
    for one in counted:
        root = one.number
        while (parent := before.get(root)) is not None:
            root = parent
        chains.setdefault(root, []).append(one)
    return [_whole(chain, rungs) for _, chain in sorted(chains.items()) if chain[0].continues is None]


def _whole(chain: Sequence[TrialRecord], rungs: Sequence[int]) -> Configuration:
    first, reached = chain[0], chain[0].number
    values: dict[int, float] = {}
    for one in chain:
        found = {rung: one.curve[epoch] for rung, epoch in enumerate(rungs[: one.rung + 1]) if epoch in one.curve}
        if one.whole and one.value is not None and one.state in ("complete", "pruned"):
            found[one.rung] = one.value  # a run that stopped early has finished it too
        finite = {rung: value for rung, value in found.items() if isfinite(value)}
        if max(finite, default=-1) > max(values, default=-1):
            reached = one.number
        values |= finite
    return Configuration(first.number, first.params, first.particle, first.baseline, values, reached)


def ranked(found: Sequence[Configuration], *, rising: bool) -> list[Configuration]:
    """Those that have a value, the best first: by rung, then by value."""
    known = [one for one in found if one.value is not None]
    return sorted(known, key=lambda one: (-one.rung, (-1 if rising else 1) * (one.value or 0.0), one.number))


def levelled(found: Sequence[Configuration]) -> dict[int, float]:
    """Number → value, as if all had been trained as far as those at the highest rung.

    A value at a lower rung is moved by what those that went on have gained from there (the median, from rung to rung).
    """
    known = [one for one in found if one.value is not None]
    raised = gains([one.values for one in known])
    return {one.number: (one.value or 0.0) + raised[one.rung] for one in known}
