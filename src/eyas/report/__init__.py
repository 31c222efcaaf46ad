"""Pictures of a run: how it learned, and what it gets right."""

from eyas.report.diagnosis import draw_phases, write_diagnosis
from eyas.report.evaluation import write_evaluation
from eyas.report.figures import draw_confusion, draw_curves, draw_per_class, draw_reliability
from eyas.report.preview import draw_preview

__all__ = [
    "draw_confusion",
    "draw_curves",
    "draw_per_class",
    "draw_phases",
    "draw_preview",
    "draw_reliability",
    "write_diagnosis",
    "write_evaluation",
]
