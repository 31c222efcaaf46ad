"""Tests of a model's requests while they come: has it ever drifted, did it just change, how, since when, where."""

from eyas.monitor.streaming.alarms import Alarm, ClassChange, Kind
from eyas.monitor.streaming.batch import BatchVerdict, compare_batch
from eyas.monitor.streaming.calibration import Calibration, read_calibration
from eyas.monitor.streaming.config import MonitorConfig
from eyas.monitor.streaming.labels import likeliest_shares
from eyas.monitor.streaming.monitor import Monitor
from eyas.monitor.streaming.outliers import OutlierRule, fit_outliers
from eyas.monitor.streaming.scoring import ImageScores, Scoring, open_scoring

__all__ = [
    "Alarm",
    "BatchVerdict",
    "Calibration",
    "ClassChange",
    "ImageScores",
    "Kind",
    "Monitor",
    "MonitorConfig",
    "OutlierRule",
    "Scoring",
    "compare_batch",
    "fit_outliers",
    "likeliest_shares",
    "open_scoring",
    "read_calibration",
]
