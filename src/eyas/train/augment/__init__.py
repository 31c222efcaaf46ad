"""Training images varied in batches, on the device where they lie, by draws that seed, epoch and step decide."""

from eyas.train.augment.pipeline import Augment, Augmented
from eyas.train.augment.preview import Preview, make_preview
from eyas.train.augment.rules import check_augment

__all__ = ["Augment", "Augmented", "Preview", "check_augment", "make_preview"]
