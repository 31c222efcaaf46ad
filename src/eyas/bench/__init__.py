"""How fast a server answers, beside raw ONNX Runtime in the same run.

bundle ─ its golden images as requests ─► one process of connections ─► the server     ┐ in turn, for each number of
       └ its graph ─────────────────────► as many processes as the server has workers ┘ connections ─► a row each
"""

from eyas.bench.requests import Body, Target, parse_url
from eyas.bench.rounds import Row, measure

__all__ = ["Body", "Row", "Target", "measure", "parse_url"]
