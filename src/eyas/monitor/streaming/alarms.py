"""What an alarm says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What changed, as far as it can be told without labels."""

    LABEL = "label shift"
    """The classes come in other shares; the images of each are as they were."""
    COVARIATE = "covariate shift"
    """The model sees other images than other shares of the same classes would give."""
    INPUT = "input shift"
    """The images changed, but not the model's answers to them."""
    OUTLIERS = "outliers"
    """Images like no held-out one among others that are as they were."""


@dataclass(frozen=True)
class ClassChange:
    """One class whose predictions changed."""

    index: int
    share_before: float
    share_since: float


@dataclass(frozen=True)
class Alarm:
    """A change that the monitor found."""

    kind: Kind
    streams: tuple[str, ...]
    """Those that told, the first one first."""
    at: int
    """The request, counted from 1, at which it was raised."""
    since: int
    """The request at which the change is thought to have begun."""
    ever: bool
    """Found by the test that asks whether there ever was a drift; else by the one that asks whether one just began."""
    classes: tuple[ClassChange, ...]
    """Label shift: the classes that come more or less often. Otherwise those in which the scores changed, which are
    none where the change is not one of single classes."""
    outlier_share: float
    """Of the requests since then."""
    log10_evidence: float
    """How much faster a bet against "only label shift" grew than one on it; above 3 tells the two apart."""
    examples: tuple[str, ...]
    """Ids of requests that show it, the clearest first."""
    since_id: str = ""
    """Id of the request at which it is thought to have begun; empty where that is no longer remembered."""
