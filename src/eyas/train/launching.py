"""Start the processes that share a run's batches, by torchrun or by Ray Train, and wait for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eyas.core import errors, io
from eyas.core.config import validate
from eyas.core.errors import ConfigError, DivergenceError, ResumeError, TrainingError, needs_extra
from eyas.core.runs import RunFolder, open_run
from eyas.core.schema import Config
from eyas.data import open_dataset
from eyas.train.assembly import device_kind
from eyas.train.callbacks import Callback
from eyas.train.run import resume_run

# A worker that dies is started again, with all the others, from the last checkpoint.
RESTARTS = 3
# After Ctrl-C, to finish a step or a validation and save; then torchrun kills.
SHUTDOWN_SECONDS = 120
# These every worker meets at the same point, and would meet again: they are told, and nothing is started again.
CERTAIN = (ConfigError, ResumeError, DivergenceError)
FAILURE = "failure.json"
Watchers = Callable[[Config], Sequence[Callback]]
"""Makes the callbacks, in the main worker; a function at the top level of a module, for it travels by its name."""


def launch(config: Config, run: RunFolder, watchers: Watchers) -> None:
    """Train a prepared run in `train.workers` processes; each has its share of every batch.

    Returns where the training ended or Ctrl-C stopped it; `eyas.train.read_result` says which. Ray's workers do not
    hear of Ctrl-C: they end at their last checkpoint.

    Raises:
        TrainingError: workers died more than `RESTARTS` times.
        ConfigError, ResumeError, DivergenceError: as in one process.
    """
    task = (str(run.path.resolve()), config.model_dump(mode="json"), watchers)
    if config.train.launcher == "ray":
        _by_ray(config, task)
    else:
        _by_torchrun(config, task)
    if (file := run.path / FAILURE).exists():
        failure = io.read_json(file)
        file.unlink()
        raise getattr(errors, failure["kind"])(failure["message"])


def work(path: str, values: dict[str, Any], watchers: Watchers) -> None:
    """What each worker does: go on with the run from its last checkpoint, or from its start."""
    config, run = validate(values, path), open_run(Path(path))
    main = int(os.environ["RANK"]) == 0
    try:
        result = resume_run(run, open_dataset(config.data), watchers(config) if main else (), config)
    except CERTAIN as error:
        if main:
            io.write_json(run.path / FAILURE, {"kind": type(error).__name__, "message": str(error)})
        return
    if not result.finished:  # a worker that returned would wait for torchrun to fetch its answer; it is shutting down
        raise SystemExit(130)


def _by_torchrun(config: Config, task: tuple[Any, ...]) -> None:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=config.train.workers,
        run_id=Path(task[0]).name,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=RESTARTS,
        logs_specs=DefaultLogsSpecs(),
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # each worker sets its share itself; this quiets a warning
    try:
        elastic_launch(settings, work)(*task)
    except SignalException:
        return  # Ctrl-C: the workers save at their next step
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise TrainingError(f"worker {rank} failed {RESTARTS + 1} times: {_reason(failure.message)}") from error


def _reason(message: Any) -> str:
    """The last line of what torch knows of a worker's end: the exception itself."""
    text = message.get("message", message) if isinstance(message, dict) else message
    return str(text).strip().rpartition("\n")[2]


def _by_ray(config: Config, task: tuple[Any, ...]) -> None:
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")  # paths in the configuration are relative to here
    with needs_extra("ray"):
        import ray
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchTrainer

    if not ray.is_initialized():
        ray.init(include_dashboard=False)  # where it joins a cluster, this is not heard
    trainer = TorchTrainer(
        _in_ray,
        train_loop_config={"task": task},
        scaling_config=ScalingConfig(num_workers=config.train.workers, use_gpu=device_kind(config.train) == "cuda"),
        run_config=RunConfig(
            name=Path(task[0]).name,
            storage_path=str(Path(task[0]) / "ray"),
            failure_config=FailureConfig(max_failures=RESTARTS),
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        raise TrainingError(f"Ray's workers failed: {error}") from error


def _in_ray(settings: dict[str, Any]) -> None:
    work(*settings["task"])
