"""Whether a live service answers as its bundle says: what is asked of a new revision before it gets traffic."""

from eyas.deploy.smoke.service import Service
from eyas.deploy.smoke.testing import CHECKS, Check, Expected, Report, smoke

__all__ = ["CHECKS", "Check", "Expected", "Report", "Service", "smoke"]
