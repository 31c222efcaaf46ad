"""What is known of a rollout at one moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from eyas.evaluate.bootstrap import Interval
from eyas.rollout.burn import Burn

ANYTHING, ANY_SHARE = Interval(-1.0, 1.0), Interval(0.0, 1.0)


@dataclass(frozen=True)
class ArmEvidence:
    """One arm, in the present stage."""

    requests: int = 0
    p95_seconds: float | None = None
    """None where too few requests were timed."""
    p99_seconds: float | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything that a verdict looks at. What is not known keeps its default, which speaks for nobody."""

    stage: int
    """The index of the present one."""
    since: float
    """When it began, in seconds by the clock that `decide` is given."""
    champion: ArmEvidence = ArmEvidence()
    challenger: ArmEvidence = ArmEvidence()
    errors: tuple[Burn, ...] = ()
    """Of the challenger's failed requests."""
    slow: tuple[Burn, ...] = ()
    """Of the challenger's slow requests."""
    loss: Interval = ANYTHING
    """One-sided bounds, each at the plan's alpha, of the challenger's error rate less the champion's: `bounds()` of
    `eyas.monitor.sequences.DifferenceSequence`, or of `PairedSequence` for a shadow. They run over all stages."""
    labelled: tuple[int, int] = (0, 0)
    """Labels that have come for the champion's and the challenger's answers."""
    ratio_p_value: float = 1.0
    """Of `eyas.monitor.sequences.SampleRatio`: do the arms get what was planned?"""
    disagreement: Interval = ANY_SHARE
    """A shadow's: bounds of the share of images on which the two name different classes, as for `loss`."""
    compared: int = 0
    """A shadow's: images that both have answered."""

    def to_json(self) -> dict[str, Any]:
        """A plain dict, for the history."""
        bare = asdict(replace(self, errors=(), slow=()))
        burns = {name: [_burn(burn) for burn in getattr(self, name)] for name in ("errors", "slow")}
        intervals = {name: list(getattr(self, name)) for name in ("loss", "disagreement")}
        return {**bare, **burns, **intervals, "labelled": list(self.labelled)}


def _burn(burn: Burn) -> dict[str, Any]:
    return {
        "window": burn.window.model_dump(),
        "long_rate": burn.long_rate,
        "short_rate": burn.short_rate,
        "failures": burn.failures,
        "requests": burn.requests,
        "tripped": burn.tripped,
    }
