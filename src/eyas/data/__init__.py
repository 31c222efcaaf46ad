"""Images in: any source of labelled images, opened as one `Dataset` with three splits."""

from eyas.data.checks import Finding
from eyas.data.dataset import Dataset, Split
from eyas.data.opening import open_dataset
from eyas.data.report import CheckReport, check_dataset
from eyas.data.sources import fetch

__all__ = ["CheckReport", "Dataset", "Finding", "Split", "check_dataset", "fetch", "open_dataset"]
