"""What is missing on this machine before something can be deployed from it."""

from eyas.deploy.inspection.finding import TARGETS, Finding
from eyas.deploy.inspection.looking import Named, look

__all__ = ["TARGETS", "Finding", "Named", "look"]
