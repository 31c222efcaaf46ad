"""The learning loop: one configuration and one dataset in, one run folder out."""

from eyas.train.callbacks import Callback, EpochEnd, EpochRow, ProgressBar, RunEnd, RunStart
from eyas.train.evaluation import evaluate_run
from eyas.train.launch import launch
from eyas.train.run import TrainResult, prepare_run, read_result, resume_run, start_run
from eyas.train.workers import in_group, is_main

__all__ = [
    "Callback",
    "EpochEnd",
    "EpochRow",
    "ProgressBar",
    "RunEnd",
    "RunStart",
    "TrainResult",
    "evaluate_run",
    "in_group",
    "is_main",
    "launch",
    "prepare_run",
    "read_result",
    "resume_run",
    "start_run",
]
