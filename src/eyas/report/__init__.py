"""Pictures of a run, how it learned and what it gets right; a dataset as a page."""

from eyas.report.data import write_data_page
from eyas.report.diagnosis import draw_phases, write_diagnosis
from eyas.report.evaluation import write_evaluation
from eyas.report.examples import Examples
from eyas.report.facts import Layer, RunFacts
from eyas.report.figures import draw_confusion, draw_curves, draw_per_class, draw_reliability
from eyas.report.preview import draw_preview
from eyas.report.run_report import run_document
from eyas.report.typeset import write_html, write_pdf

__all__ = [
    "Examples",
    "Layer",
    "RunFacts",
    "draw_confusion",
    "draw_curves",
    "draw_per_class",
    "draw_phases",
    "draw_preview",
    "draw_reliability",
    "run_document",
    "write_data_page",
    "write_diagnosis",
    "write_evaluation",
    "write_html",
    "write_pdf",
]
