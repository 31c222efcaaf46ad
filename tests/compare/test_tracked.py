"""Studies in a real MLflow store: the study as the parent of its runs."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient

from eyas.compare.making import plan_comparison
from eyas.compare.running import begin_study, finish_comparison, train_all
from eyas.data import open_dataset
from support.tracking import eyas, put_store, store

QUICK = {
    "data.source": "digits",
    "model.hidden": [32],
    "train.epochs": 2,
    "train.batch_size": 64,
    "track": ["mlflow"],
}


def run_study(study, seeds):
    plan = plan_comparison(study, QUICK, seeds=seeds)
    dataset = open_dataset(plan.base().data)
    folder = begin_study(plan, dataset)
    assert train_all(folder, plan, dataset)
    return folder, finish_comparison(folder, plan, dataset)[0]


def family(folder, uri=""):
    client = MlflowClient(uri or store())
    experiment = client.get_experiment_by_name("digits")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    return client, parent, [run for run in runs if run is not parent]


def check_family(folder, result, prefix, uri="", seeds=1):
    client, parent, children = family(folder, uri)
    assert (parent.info.run_name, parent.info.status) == (folder.name, "FINISHED")
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    by_name = {run.info.run_name: run for run in children}
    for arm in result.arms:
        value = parent.data.metrics[f"final_test_accuracy/{result.name}/{arm.name}"]
        assert value == pytest.approx(arm.test.mean)
        for seed in range(seeds):
            run = by_name.pop(f"{prefix}_{arm.name}" + (f" seed {seed}" if seeds > 1 else ""))
            right = arm.trained.test[seed].mean()
            assert run.data.metrics["final_test_accuracy"] == pytest.approx(right)
            assert (run.info.status, run.data.tags["eyas.arm"]) == ("FINISHED", arm.name)
            curve = client.get_metric_history(run.info.run_id, "val_accuracy")
            assert sorted(point.step for point in curve) == [1, 2]
    assert not by_name
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"results.json", "results.csv", "curves.png"}


@pytest.mark.slow
@pytest.mark.timeout(600)  # MLflow is loaded by a sender for each of the runs
def test_parent_and_children_in_the_default_store(home):
    folder, result = run_study("batchnorm", seeds=2)
    check_family(folder, result, "Batch_Norm_Comparison", seeds=2)
    assert "mlflow has everything" in eyas("track", "sync", folder).stdout
    check_family(folder, result, "Batch_Norm_Comparison", seeds=2)


@pytest.mark.slow
@pytest.mark.timeout(600)  # MLflow is loaded by a sender for each of the runs
def test_a_server_that_is_down_gets_all_of_it_later(home, monkeypatch, server_later):
    """The names are the course's own with one seed."""
    put_store(home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server_later.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    folder, result = run_study("batchnorm", seeds=1)
    assert "records wait" in eyas("track", "sync", folder, code=9).stderr
    server_later.start()
    assert "mlflow has everything" in eyas("track", "sync", folder).stdout
    check_family(folder, result, "Batch_Norm_Comparison", server_later.url)
