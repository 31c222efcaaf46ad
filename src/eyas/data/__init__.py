"""Images in: any source of labelled images, opened as one `Dataset` with three splits."""

from eyas.data.checks import Finding
from eyas.data.dataset import Dataset, open_dataset
from eyas.data.fixes import Fixes, write_fixes
from eyas.data.overview import Overview, look_closely
from eyas.data.proposing import propose_fixes
from eyas.data.report import CheckReport, check_dataset
from eyas.data.sources import fetch
from eyas.data.split import Split

__all__ = [
    "CheckReport",
    "Dataset",
    "Finding",
    "Fixes",
    "Overview",
    "Split",
    "check_dataset",
    "fetch",
    "look_closely",
    "open_dataset",
    "propose_fixes",
    "write_fixes",
]
