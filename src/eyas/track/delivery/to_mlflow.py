"""Records into an MLflow store: SQLite in the working directory, or the server of `MLFLOW_TRACKING_URI`."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyas.track.delivery.mlflow_store import (
    database_of,
    find_experiment,
    patient,
    prepare,
    tracking_uri,
    without_secrets,
)
from eyas.track.delivery.sink import Sink, one_line
from eyas.track.delivery.spool import Record, Spool

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEY_TAG = "eyas.key"
"""Finds a run again whose creation was not confirmed: the server died between the two."""
PARENT_TAG = "mlflow.parentRunId"
"""MLflow's own: its pages nest the run under this one."""
METRICS_AT_ONCE = 500
PARAMS_AT_ONCE = 100  # the REST API's limit
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
REFUSALS = ("INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "INVALID_STATE")


class MlflowSink(Sink):
    """One run in one MLflow store.

    Sending twice is harmless: an SQL store keeps one of equal points (same key, value, step and time), and params,
    tags, inputs and files replace themselves.
    """

    tracker = "mlflow"
    keeps_at_once = True

    def __init__(self, spool: Spool) -> None:
        prepare()
        from mlflow import MlflowClient

        self._start, uri = spool.start(), _uri(spool)
        self._database = database_of(uri)
        super().__init__(spool, local=self._database is not None)
        self._make_client: Callable[[], MlflowClient] = partial(MlflowClient, uri)
        self._client: MlflowClient | None = None

    @staticmethod
    def store(spool: Spool) -> str:
        """A local one stays where the run began, whatever the working directory is now."""
        return without_secrets(_uri(spool))

    @property
    def client(self) -> MlflowClient:
        """Made at first use: with SQLite that creates the database."""
        self._client = self._client or self._make_client()
        return self._client

    @property
    def run_id(self) -> str:
        """Of the run that `connect` found or made."""
        if self.delivered.run_id is None:
            raise RuntimeError("deliver needs connect first")
        return self.delivered.run_id

    def connect(self) -> None:
        """The run that was noted, else the one with our key, else a new one."""
        with self.spool.family_lock(self.tracker):
            if self.delivered.run_id and self._exists(self.delivered.run_id):
                return
            experiment = find_experiment(self.client, self._start["experiment"], self._database)
            parent = self.spool.parent()
            tags = {PARENT_TAG: self._found_or_made(experiment, parent.start(), {})[0]} if parent else {}
            self.delivered.run_id, new = self._found_or_made(experiment, self._start, tags)
            if new:
                self.delivered.lines = 0

    def _found_or_made(self, experiment: str, start: Record, tags: dict[str, str]) -> tuple[str, bool]:
        """The id of the run with the key of `start`, and whether it is new. A parent is made by who needs it first."""
        found = self.client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{start['key']}'", max_results=1)
        if found:
            return str(found[0].info.run_id), False
        made = self.client.create_run(
            experiment,
            start_time=start["time"],
            tags={KEY_TAG: start["key"], **start["tags"], **tags},
            run_name=start["name"],
        )
        return str(made.info.run_id), True

    def deliver(self, records: list[tuple[int, Record]]) -> None:
        """In order; neighbouring metrics in one request."""
        from mlflow.entities import Metric

        metrics: list[Metric] = []
        for _, record in records:
            if record["kind"] in ("metrics", "evaluation"):
                metrics += [
                    Metric(name, value, record["time"], record.get("step", 0))
                    for name, value in record["values"].items()
                ]
                continue
            self._log_metrics(metrics)
            metrics = []
            self._deliver_one(record)
        self._log_metrics(metrics)

    def close(self) -> None:
        """A run that nobody ended is marked so."""
        if self.status == "FAILED":
            self.client.set_terminated(self.run_id, "FAILED")

    def _deliver_one(self, record: Record) -> None:
        with self._refusals():
            self._deliver_kind(record)

    def _deliver_kind(self, record: Record) -> None:
        match record["kind"]:
            case "start":
                self._describe(record)
            case "resume":
                self.client.update_run(self.run_id, status="RUNNING")
                self._log_tags(record["tags"])
            case "file":
                self._upload(record["path"], str(Path(record["path"]).parent))
            case "picture":
                self._upload(record["path"], "pictures")
            case "end":
                self.client.set_terminated(self.run_id, record["status"], record["time"])

    def _describe(self, record: Record) -> None:
        """Params, tags and the dataset. A run found by its key may lack any of them."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param
        from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

        params = [Param(name, value) for name, value in record["params"].items()]
        for first in range(0, len(params), PARAMS_AT_ONCE):
            self.client.log_batch(self.run_id, params=params[first : first + PARAMS_AT_ONCE])
        self._log_tags(record["tags"])
        dataset = Dataset(**record["dataset"])
        tags = [InputTag(MLFLOW_DATASET_CONTEXT, "training")]
        self.client.log_inputs(self.run_id, [DatasetInput(dataset, tags)])

    def _log_metrics(self, metrics: list[Any]) -> None:
        for first in range(0, len(metrics), METRICS_AT_ONCE):
            with self._refusals():
                self.client.log_batch(self.run_id, metrics=metrics[first : first + METRICS_AT_ONCE])

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What a store will never take is noted and left out, or it would hold up all that comes after it.

        Such as a run that was deleted in the UI.
        """
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            if error.error_code not in REFUSALS:
                raise
            self.refused = one_line(error)

    def _log_tags(self, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        if tags:
            self.client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def _upload(self, path: str, folder: str) -> None:
        """Files for an artifact store that only the server can write to, or in a cloud whose library is not here, are
        noted as refused."""
        file = self.spool.run / path
        if not file.is_file():  # a person may have cleared it away since
            return
        try:
            with patient():
                self.client.log_artifact(self.run_id, str(file), folder if folder != "." else None)
        except (ImportError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in UNWRITABLE:
                raise
            self.refused = one_line(error)

    def _exists(self, run_id: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            self.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True


def _uri(spool: Spool) -> str:
    """Of the environment, else where the run began."""
    return tracking_uri() if "MLFLOW_TRACKING_URI" in os.environ else spool.start().get("uri") or tracking_uri()
