"""Which run's weights a new trial begins with."""

from __future__ import annotations

from collections.abc import Sequence

from eyas.tune.records import TrialRecord, best_of


def giver(record: TrialRecord, records: Sequence[TrialRecord], *, rising: bool) -> str | None:
    """The run of the best trial of the same particle so far, or of all where the sampler has no particles."""
    mates = [one for one in records if record.particle is None or one.particle == record.particle]
    best = best_of(mates, rising=rising)
    return best.run if best else None
