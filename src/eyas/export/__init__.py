"""From a run folder to a bundle that proves it answers as the trained network does."""

from eyas.export.build import export_run, quantise_run
from eyas.export.comparison import in_words
from eyas.export.graph import trace
from eyas.export.parity import Proof, prove_parity

__all__ = ["Proof", "export_run", "in_words", "prove_parity", "quantise_run", "trace"]
