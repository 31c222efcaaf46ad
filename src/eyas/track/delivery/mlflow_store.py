"""An MLflow store: where it is, how long it may take, and the experiments in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from mlflow import MlflowClient

UPLOAD_SECONDS = "30"
# A try is short, and the sender's own loop repeats it. MLflow's default is 7 retries of 120 s.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def tracking_uri() -> str:
    """Where this process would track: `MLFLOW_TRACKING_URI`, else `mlflow.db` in the working directory."""
    return absolute(os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db")


def absolute(uri: str) -> str:
    """`sqlite:///x.db` is relative to the working directory, which may be another at the next command."""
    path = uri.removeprefix("sqlite:///")
    return uri if path == uri or path.startswith(("/", ":memory:")) else f"sqlite:///{Path(path).absolute()}"


def without_secrets(uri: str) -> str:
    """The address without a user's name and password."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def database_of(uri: str) -> Path | None:
    """SQLite's file; None for any other store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def prepare() -> None:
    """Set what MLflow reads from the environment; what a person has set stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def patient() -> Iterator[None]:
    """A large file may take a server longer than a request should; MLflow reads the limit at each request."""
    before = os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = UPLOAD_SECONDS
    try:
        yield
    finally:
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = before


def find_experiment(client: MlflowClient, name: str, database: Path | None) -> str:
    """The id of the experiment with this name, which is made where there is none.

    Args:
        client: of the store.
        name: of the experiment.
        database: the store's file, beside which files go; None: the store knows a place for them.
    """
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    # One folder for all experiments: MLflow makes one a run in it.
    files = (database.parent / "mlruns").as_uri() if database else None
    try:
        return str(client.create_experiment(name, artifact_location=files))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return find_experiment(client, name, database)  # another process was first
