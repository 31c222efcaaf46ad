"""What a service has predicted, and what the images truly showed, kept in SQLite or PostgreSQL.

store = open_store("predictions.db")
writer = StoreWriter(store)          # in the service: `put` never waits and never fails
writer.put(Prediction(...))
writer.put(Feedback(id, true_class, time))
for outcome in store.outcomes(Filter(version="3"), after=last):
    ...                              # each prediction that has met its label since
"""

from eyas.monitor.store.counting import Bucket, ClassAccuracy, Confusion, VersionTotals
from eyas.monitor.store.engine import RefusedRowError, StoreContent, StoreSize
from eyas.monitor.store.filters import Cursor, Filter
from eyas.monitor.store.opening import open_store, require_there
from eyas.monitor.store.predictions import PredictionStore
from eyas.monitor.store.reading import Outcome, Page, Scored, StoredPrediction
from eyas.monitor.store.retention import Removed, Retention
from eyas.monitor.store.rows import ARMS, Arm, Feedback, Image, Prediction, Record, pack_all_scores, pack_scores
from eyas.monitor.store.waiting import Reason, WriterLimits
from eyas.monitor.store.writer import StoreWriter, WriterState

__all__ = [
    "ARMS",
    "Arm",
    "Bucket",
    "ClassAccuracy",
    "Confusion",
    "Cursor",
    "Feedback",
    "Filter",
    "Image",
    "Outcome",
    "Page",
    "Prediction",
    "PredictionStore",
    "Reason",
    "Record",
    "RefusedRowError",
    "Removed",
    "Retention",
    "Scored",
    "StoreContent",
    "StoreSize",
    "StoreWriter",
    "StoredPrediction",
    "VersionTotals",
    "WriterLimits",
    "WriterState",
    "open_store",
    "pack_all_scores",
    "pack_scores",
    "require_there",
]
