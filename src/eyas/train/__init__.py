"""The learning loop: one configuration and one dataset in, one run folder out."""

from eyas.train.callbacks import Callback, EpochEnd, Remarks, RunEnd, RunStart
from eyas.train.evaluation import evaluate_fully, evaluate_run
from eyas.train.launching import launch
from eyas.train.progress.history import EpochRow
from eyas.train.progress_bar import ProgressBar
from eyas.train.run import TrainResult, check_resume, prepare_run, read_result, resume_run, start_run
from eyas.train.workers import in_group, is_main

__all__ = [
    "Callback",
    "EpochEnd",
    "EpochRow",
    "ProgressBar",
    "Remarks",
    "RunEnd",
    "RunStart",
    "TrainResult",
    "check_resume",
    "evaluate_fully",
    "evaluate_run",
    "in_group",
    "is_main",
    "launch",
    "prepare_run",
    "read_result",
    "resume_run",
    "start_run",
]
