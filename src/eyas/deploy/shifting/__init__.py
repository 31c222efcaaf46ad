"""A new revision beside the old one, smoke-tested, given the traffic by degrees, or taken back: on three clouds."""

from eyas.deploy.shifting.machine import STAGES, Platform, Revision, Share, roll_out

__all__ = ["STAGES", "Platform", "Revision", "Share", "roll_out"]
