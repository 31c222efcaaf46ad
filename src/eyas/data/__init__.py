"""Images in: any source of labelled images, opened as one `Dataset` with three splits."""

from eyas.data.dataset import Dataset, Split
from eyas.data.opening import open_dataset

__all__ = ["Dataset", "Split", "open_dataset"]
