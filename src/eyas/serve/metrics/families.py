"""Every family of metrics: its name, kind, labels. Names and buckets of HTTP and gRPC are OpenTelemetry's.

Source: OpenTelemetry semantic conventions, *HTTP metrics* (1.37) and *RPC metrics* (1.40), in Prometheus's spelling;
1 and 2.5 ms come on top of their buckets, which begin at 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


@dataclass(frozen=True)
class Family:
    """One metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds, of a histogram. A row holds a count for each, one for what is larger, and the sum."""


HTTP = ("http_request_method", "http_route", "http_response_status_code", "url_scheme")
RPC = ("rpc_system_name", "rpc_method", "rpc_response_status_code")
MODEL = ("model", "version")
DURATION = Family(
    "http_server_request_duration_seconds", "histogram", "From a request's headers to its answer.", HTTP, SECONDS
)
ACTIVE = Family("http_server_active_requests", "gauge", "Requests at hand.", ("http_request_method", "url_scheme"))
CALLS = Family("rpc_server_call_duration_seconds", "histogram", "From a call over gRPC to its answer.", RPC, SECONDS)
REFUSED = Family(
    "eyas_refused_connections", "counter", "Closed before a request was whole; no other metric has these.", ("reason",)
)
REFUSALS = ("malformed", "long_headers", "slow_headers")  # of `REFUSED`
AT_HAND = Family("eyas_model_active_requests", "gauge", "Requests to a model at hand.", MODEL)
MODEL_WAITING = Family("eyas_model_waiting_requests", "gauge", "Of those that wait for their turn, a model's.", MODEL)
REQUESTS = Family("eyas_model_requests", "counter", "Requests to a model, by how they ended.", (*MODEL, "outcome"))
LATENCY = Family("eyas_model_request_seconds", "histogram", "Requests that a model answered.", MODEL, SECONDS)
PREDICT = Family("eyas_model_predict_seconds", "histogram", "In the graph alone, a batch each.", MODEL, SECONDS)
BATCH = Family("eyas_model_batch_images", "histogram", "Images predicted together.", MODEL, SIZES)
UNSCORED = Family(
    "eyas_model_unscored", "counter", "Predictions of which it could not be said whether the images are unknown.", MODEL
)
WAITING = Family("eyas_waiting_requests", "gauge", "Requests that wait for their turn.")
RESTARTS = Family("eyas_worker_restarts", "counter", "Workers that ended by themselves and were started again.")
CLASSES = Family("eyas_predictions", "counter", "Predictions of each class.", (*MODEL, "label"))
REVIEW = Family("eyas_predictions_needing_review", "counter", "Whose conformal set has not exactly one class.", MODEL)
UNKNOWN = Family("eyas_predictions_unknown", "counter", "Images like none held out.", MODEL)
WATCHED = Family("eyas_monitor_watched", "counter", "Predictions that the drift tests have seen.", MODEL)
FAILURES = Family("eyas_monitor_failures", "counter", "Predictions that the drift tests could not compare.", MODEL)
LOST = Family("eyas_monitor_lost", "counter", "Predictions that the monitor was not told of, for want of time.")
DRIFT = Family("eyas_drift", "gauge", "1 while a change that was found goes on.", MODEL)
ALARMS = Family("eyas_drift_alarms", "counter", "Changes found.", (*MODEL, "kind"))
FEEDBACK = Family(
    "eyas_feedback", "counter", "Predictions that have met their true class: `right` or `wrong`.", (*MODEL, "outcome")
)
LOWER = Family(
    "eyas_accuracy_lower", "gauge", "Lower end of the confidence sequence of the accuracy by feedback.", MODEL
)
UPPER = Family(
    "eyas_accuracy_upper", "gauge", "Upper end of the confidence sequence of the accuracy by feedback.", MODEL
)
HELD_OUT = Family("eyas_accuracy_held_out", "gauge", "Accuracy of the bundle on its test images.", MODEL)
HELD_OUT_LOWER = Family("eyas_accuracy_held_out_lower", "gauge", "Its lower bound, of 95 %.", MODEL)
WRITTEN = Family("eyas_store_written", "counter", "Predictions that the store has taken.")
DROPPED = Family("eyas_store_dropped", "counter", "Records that the store has not taken.", ("reason",))
UNWRITTEN = Family("eyas_store_waiting", "gauge", "Records that wait to be written to the store.")
SHARE = Family(
    "eyas_rollout_share", "gauge", "Of the requests, that a challenger answers, or is asked as well as a shadow.", MODEL
)
_OF_CLIENTS = (DURATION, ACTIVE, CALLS, REFUSED)
_OF_REQUESTS = (REQUESTS, AT_HAND, MODEL_WAITING, LATENCY, PREDICT, BATCH, UNSCORED, WAITING, RESTARTS)
_OF_MONITOR = (CLASSES, REVIEW, UNKNOWN, WATCHED, FAILURES, LOST, DRIFT, ALARMS)
_OF_LABELS = (FEEDBACK, LOWER, UPPER, HELD_OUT, HELD_OUT_LOWER)
_OF_STORE = (WRITTEN, DROPPED, UNWRITTEN)
FAMILIES = {one.name: one for one in (*_OF_CLIENTS, *_OF_REQUESTS, *_OF_MONITOR, *_OF_LABELS, *_OF_STORE, SHARE)}
PID = "pid"  # of the process that writes the table, and its name unless it is a worker; not told to anybody
COUNTED = "feedback_counted"  # the number of the next outcome to be counted as feedback; not told to anybody
GAUGES = tuple(one.name for one in FAMILIES.values() if one.kind == "gauge")
OF_MODELS = frozenset(one.name for one in FAMILIES.values() if one.labels[:2] == MODEL)
SHADOW, SHADOW_ERROR = "shadow", "shadow_error"  # outcomes of what a challenger was asked beside the champion
OUTCOMES = {408: "timeout", 503: "shed", 504: "timeout"}


def outcome(status: int) -> str:
    """How a request ended: `ok`, or a class of error."""
    return OUTCOMES.get(status) or ("ok" if status < 400 else "client_error" if status < 500 else "server_error")
