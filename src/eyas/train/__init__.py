"""The learning loop: one configuration and one dataset in, one run folder out."""

from eyas.train.callbacks import Callback, EpochRow, ProgressBar
from eyas.train.evaluation import evaluate_run
from eyas.train.run import TrainResult, resume_run, start_run

__all__ = ["Callback", "EpochRow", "ProgressBar", "TrainResult", "evaluate_run", "resume_run", "start_run"]
