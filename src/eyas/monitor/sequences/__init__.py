"""Intervals and tests that hold at every look, so that nobody need say beforehand when he will look.

| class | of | method |
| --- | --- | --- |
| `MeanSequence` | the mean of values in [0, 1]: accuracy with late labels | bets on the mean |
| `PairedSequence` | a mean of -1, 0 and 1: both models saw the same images | bets on the mean |
| `DifferenceSequence` | two shares of independent streams, however unequal: A/B | balanced bets |
| `SampleRatio` | whether the arms get what was planned | Dirichlet mixture |

All are exact for any number of observations, need NumPy alone, and are of constant size.
"""

from eyas.monitor.sequences.difference import Counts, DifferenceSequence
from eyas.monitor.sequences.mean import MeanSequence, PairedSequence
from eyas.monitor.sequences.nested import ConfidenceSequence
from eyas.monitor.sequences.ratio import SampleRatio

__all__ = ["ConfidenceSequence", "Counts", "DifferenceSequence", "MeanSequence", "PairedSequence", "SampleRatio"]
