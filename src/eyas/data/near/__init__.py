"""Pairs of images that a person would call the same picture: shifted, mirrored, recoloured, compressed again.

pixels ─ canonical ─► 32×32 ─ embed ─► whitened vectors ─ search ─► candidates ─ verify ─► pairs
"""

from eyas.data.near.finding import near_pairs
from eyas.data.near.pairs import NearPairs, later_copies

__all__ = ["NearPairs", "later_copies", "near_pairs"]
