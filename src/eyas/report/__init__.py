"""Pictures of a run, how it learned and what it gets right; a dataset as a page."""

from eyas.report.data import write_data_page
from eyas.report.evaluation import write_evaluation
from eyas.report.figures import draw_confusion, draw_curves, draw_per_class, draw_reliability
from eyas.report.preview import draw_preview

__all__ = [
    "draw_confusion",
    "draw_curves",
    "draw_per_class",
    "draw_preview",
    "draw_reliability",
    "write_data_page",
    "write_evaluation",
]
