"""The learning loop: one configuration and one dataset in, one run folder out."""

from eyas.train.callbacks import Callback, EpochEnd, Remarks, RunEnd, RunStart
from eyas.train.evaluation import evaluate_fully, evaluate_run
from eyas.train.parallel.launch import launch
from eyas.train.parallel.workers import in_group, is_main
from eyas.train.progress.history import EpochRow
from eyas.train.progress_bar import ProgressBar
from eyas.train.run import TrainResult, check_resume, prepare_run, read_result, resume_run, start_run

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
