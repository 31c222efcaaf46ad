"""The model registry of an MLflow store, as a mirror needs it.

A version is made last, in one step and with its tags, once a run has all of its files: what is found by its digest is
whole, and a mirror that was killed before is completed by the next one, which finds the run by its tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from eyas.bundle import Bundle, Manifest
from eyas.track.delivery.mlflow_store import absolute, database_of, find_experiment, prepare, without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import RegisteredModel

CHAMPION, CHALLENGER = "champion", "challenger"
"""Aliases: of the live version, and of the one that a rollout tries."""
MODEL, VERSION, DIGEST = "eyas.model", "eyas.version", "eyas.digest"
"""Tags that find a version again, and the run that has its files."""
EXPERIMENT = "eyas-models"
FILES = "bundle"
"""The run's folder of the bundle's files."""
AT_ONCE = 200  # versions in an answer


@dataclass(frozen=True)
class Known:
    """A version that the registry has."""

    number: str
    """MLflow's own."""
    tags: Mapping[str, str]


class Registry:
    """Of one store. What goes wrong there is raised as MLflow raises it.

    Args:
        uri: of the store, as MLflow takes it.
    """

    def __init__(self, uri: str) -> None:
        prepare()
        self._uri = absolute(uri)
        self.place = without_secrets(self._uri)
        """For messages."""

    @cached_property
    def client(self) -> MlflowClient:
        """Made at first use: with SQLite that creates the database."""
        from mlflow import MlflowClient

        return MlflowClient(self._uri)

    def aliases(self, model: str) -> dict[str, str]:
        """A model's aliases, each with the number that it stands for. The model is registered where it is not yet."""
        return {alias: str(number) for alias, number in self._registered(model).aliases.items()}

    def versions(self, model: str) -> dict[tuple[str, str], Known]:
        """A model's versions that a mirror made, by eyas's version and the bundle's digest."""
        found: dict[tuple[str, str], Known] = {}
        every = sorted(self._every(model), key=lambda one: int(one.version))
        for one in every:
            if {VERSION, DIGEST} <= one.tags.keys():
                found.setdefault((one.tags[VERSION], one.tags[DIGEST]), Known(str(one.version), dict(one.tags)))
        return found

    def add(self, model: str, bundle: Bundle) -> Known:
        """Give a version to the registry, and its files to the store."""
        from mlflow.entities import Metric

        run = self._run(model, bundle.manifest)
        run_id, start = run.info.run_id, run.info.start_time
        self.client.log_artifacts(run_id, str(bundle.path), FILES)
        metrics = [Metric(name, value, start, 0) for name, value in _metrics(bundle.manifest).items()]
        self.client.log_batch(run_id, metrics=metrics)
        self.client.set_terminated(run_id)
        tags = _facts(bundle.manifest)
        made = self.client.create_model_version(
            model,
            f"runs:/{run_id}/{FILES}",
            run_id,
            tags=tags,
            description=_said(bundle.manifest),
            await_creation_for=0,
        )
        return self._first(model, Known(str(made.version), tags), run_id)

    def name(self, model: str, alias: str, number: str | None) -> None:
        """Have an alias stand for a version, or for none."""
        if number is None:
            self.client.delete_registered_model_alias(model, alias)
        else:
            self.client.set_registered_model_alias(model, alias, number)

    def mark(self, model: str, number: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        self.client.set_model_version_tag(model, number, key, value)

    def _first(self, model: str, made: Known, run_id: str) -> Known:
        """Of two mirrors that have added the same version at once, the later one takes its own away."""
        first = self.versions(model)[made.tags[VERSION], made.tags[DIGEST]]
        if first.number != made.number:
            self.client.delete_model_version(model, made.number)
            self.client.delete_run(run_id)
        return first

    def _registered(self, model: str) -> RegisteredModel:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        try:
            return self.client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return self.client.get_registered_model(model)  # another process was first

    def _every(self, model: str) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = self.client.search_model_versions(f"name='{model}'", max_results=AT_ONCE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _run(self, model: str, manifest: Manifest) -> Run:
        """The run that has the files or is to have them."""
        experiment = find_experiment(self.client, EXPERIMENT, database_of(self._uri))
        own = {MODEL: model, VERSION: manifest.version, DIGEST: manifest.digest}
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in own.items())
        if found := self.client.search_runs([experiment], wanted, max_results=1):
            return found[0]
        tags = own | {"mlflow.source.name": "eyas models mirror", "mlflow.source.type": "LOCAL"}
        return self.client.create_run(experiment, tags=tags, run_name=f"{model} {manifest.version}")


def _facts(manifest: Manifest) -> dict[str, str]:
    """Tags of a version: what it is."""
    facts = {
        VERSION: manifest.version,
        DIGEST: manifest.digest,
        "eyas.created": manifest.created,
        "eyas.architecture": manifest.architecture,
        "eyas.classes": str(len(manifest.classes)),
        "eyas.dataset": manifest.dataset.name,
        "eyas.fingerprint": manifest.dataset.fingerprint,
        "eyas.software": manifest.versions.get("eyas", ""),
    }
    accuracies = {f"eyas.{name}": f"{value:.6g}" for name, value in _metrics(manifest).items() if "accuracy" in name}
    return {key: value for key, value in (facts | accuracies).items() if value}


def _metrics(manifest: Manifest) -> dict[str, float]:
    """The numbers of each split: `test_accuracy` and its like."""
    return {
        f"{split}_{name}": float(value)
        for split, values in manifest.metrics.items()
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _said(manifest: Manifest) -> str:
    """A version's description."""
    accuracy = manifest.metrics.get("test", {}).get("accuracy")
    right = f"; {accuracy:.2%} of the test images are named right" if accuracy is not None else ""
    return (
        f"{manifest.name} {manifest.version}: {manifest.architecture} for {len(manifest.classes)} classes, trained on "
        f"{manifest.dataset.name} ({manifest.dataset.fingerprint[:12]}…){right}. An eyas bundle, not an MLflow flavour."
    )
