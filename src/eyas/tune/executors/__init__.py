"""Who trains the trials: an executor takes jobs and gives back what becomes of them."""

from eyas.tune.executors.contract import Ended, EpochDone, Event, Executor, Failed, Lost, RunFiles, TrialJob

__all__ = ["Ended", "EpochDone", "Event", "Executor", "Failed", "Lost", "RunFiles", "TrialJob"]
