"""The trials of a search as plain values, for results, pictures and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

from optuna.trial import FrozenTrial, TrialState

from eyas.tune.distributions import decoded
from eyas.tune.rungs import Standing
from eyas.tune.sampler import PARTICLE
from eyas.tune.space import Space

State = Literal["running", "complete", "pruned", "failed", "withdrawn", "waiting"]
STATES: dict[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class TrialRecord:
    """One trial: a configuration trained up to one rung. One that goes on is another trial, with `continues`."""

    number: int
    state: State
    """`complete` at the top rung, `pruned` below it; `withdrawn` where it was never trained: begun at the
    same moment as another, or stopped before its first epoch."""
    params: Mapping[str, Any]
    """Dotted key → value, of the active dimensions."""
    rung: int
    """From 0: the one that it was to finish."""
    epochs: int
    """Of its run, earlier trials' among them; 0 while nothing is known."""
    value: float | None
    """The metric of the weights that the run keeps: the best of its epochs so far."""
    seconds: float
    """Of training and validation, this trial's own."""
    continues: int | None
    """The trial whose run it goes on with."""
    run: str | None
    """Name of its folder under `runs/`."""
    owner: str | None
    baseline: bool
    whole: bool
    """Whether it finished its rung; False where the time was up before."""
    cause: str | None
    """Of a failure."""
    curve: Mapping[int, float] = field(default_factory=dict)
    """Epoch → the value that far, of this trial's own epochs."""
    particle: int | None = None
    """Of the swarm."""
    deaths: int = 0
    """Processes that ended while they trained it."""
    started: datetime | None = None
    ended: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        found = asdict(self)
        for name in ("started", "ended"):
            found[name] = found[name].isoformat() if found[name] else None
        return found | {"params": dict(self.params), "curve": {str(k): v for k, v in self.curve.items()}}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        curve = {int(epoch): value for epoch, value in found["curve"].items()}
        times = {name: found[name] and datetime.fromisoformat(found[name]) for name in ("started", "ended")}
        return cls(**{**found, **times, "curve": curve})


def record_of(trial: FrozenTrial, space: Space) -> TrialRecord:
    """From Optuna's."""
    attrs = trial.user_attrs
    withdrawn = trial.state == TrialState.FAIL and attrs.get("withdrawn", False)
    value = trial.value if trial.state.is_finished() else None
    curve = dict(sorted(trial.intermediate_values.items()))
    return TrialRecord(
        number=trial.number,
        state="withdrawn" if withdrawn else STATES[trial.state],
        params=decoded(trial.params, space),
        rung=attrs.get("rung", 0),
        epochs=attrs.get("epochs", max(curve, default=0)),
        value=value,
        seconds=attrs.get("seconds", 0.0),
        continues=attrs.get("continues"),
        run=attrs.get("run"),
        owner=attrs.get("owner"),
        baseline=attrs.get("baseline", False),
        whole=attrs.get("whole", False),
        cause=attrs.get("cause"),
        curve=curve,
        particle=trial.system_attrs.get(PARTICLE),
        deaths=attrs.get("deaths", 0),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
    )


def standings(records: Sequence[TrialRecord], owner: str) -> list[Standing]:
    """The trials that have finished a rung, without the baseline, which is compared with nobody on its way."""
    return [
        Standing(one.number, one.rung, one.value, one.owner == owner)
        for one in records
        if one.state in ("complete", "pruned") and one.whole and one.value is not None and not one.baseline
    ]


def continued(records: Sequence[TrialRecord]) -> set[int]:
    """Numbers of the trials that others continue, or have continued."""
    return {one.continues for one in records if one.continues is not None and one.state != "withdrawn"}


def cut_short(records: Sequence[TrialRecord], owner: str) -> list[TrialRecord]:
    """This machine's trials that the end of the time stopped on their way, and that nobody continues yet."""
    taken = continued(records)
    return [
        one
        for one in records
        if one.state == "pruned" and not one.whole and one.owner == owner and one.number not in taken and one.run
    ]


def best_of(records: Sequence[TrialRecord], *, rising: bool) -> TrialRecord | None:
    """By rung, then by value; the baseline aside, and those that the time ended on the way after all others."""
    found = [
        one for one in records if one.value is not None and one.state in ("complete", "pruned") and not one.baseline
    ]

    def rank(one: TrialRecord) -> tuple[bool, int, float, int]:
        value = one.value or 0.0
        return one.whole, one.rung, value if rising else -value, -one.number

    return max(found, key=rank, default=None)
