"""What operators count: written by every worker into memory that all share, read as one by `/metrics`."""

from eyas.serve.metrics.exposition import render
from eyas.serve.metrics.meter import Meter
from eyas.serve.metrics.shared import Counts, Tables

__all__ = ["Counts", "Meter", "Tables", "render"]
