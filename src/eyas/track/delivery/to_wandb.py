"""Records into Weights & Biases: online, or into `RUN/wandb` with `WANDB_MODE=offline`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from eyas.track.delivery.sink import Sink
from eyas.track.delivery.spool import Record, Spool

if TYPE_CHECKING:
    from wandb import Run

CONNECT_SECONDS = 10


def is_offline() -> bool:
    """Whether `WANDB_MODE` keeps everything on this machine."""
    return os.environ.get("WANDB_MODE", "online") in ("offline", "dryrun")


def is_wanted() -> bool:
    """False with `WANDB_MODE=disabled`: nothing is sent, nor counted as sent."""
    return os.environ.get("WANDB_MODE") != "disabled"


class WandbSink(Sink):
    """One W&B run. wandb keeps what it is given in files of its own and says it is safe only when the run finishes.

    Sending twice is harmless online: each record has its line's number as the step, and W&B ignores steps that it has.
    """

    tracker = "wandb"
    keeps_at_once = False

    def __init__(self, spool: Spool) -> None:
        import wandb

        self._wandb = wandb
        self._start = spool.start()
        self._run: Run | None = None
        super().__init__(spool, local=is_offline())

    @staticmethod
    def store(spool: Spool) -> str:
        """What `RUN/wandb` has, W&B has not."""
        return "offline" if is_offline() else os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")

    def connect(self) -> None:
        """The run has our key as its id wherever it is written from."""
        if self._run is not None:
            return
        try:
            self._run = self._begin()
        except Exception:
            self._wandb.teardown()  # or its service holds the id, and every later try fails
            raise
        self._run.define_metric("*", step_metric="epoch")
        self._run.define_metric("step_*", step_metric="step")
        self.delivered.run_id = self._start["key"]
        if not (self.local or self._run.resumed):
            self.delivered.lines = 0

    def _begin(self) -> Run:
        settings = self._wandb.Settings(
            init_timeout=CONNECT_SECONDS, console="off", silent=True, x_disable_stats=True, x_disable_meta=True
        )
        return self._wandb.init(
            project=self._start["project"],
            entity=self._start["entity"],
            id=self._start["key"],
            name=self._start["name"],
            group=self._start.get("group"),
            config=self._start["config"],
            dir=str(self.spool.run),
            resume="allow",
            settings=settings,
        )

    def deliver(self, records: list[tuple[int, Record]]) -> None:
        """In order."""
        run = self._run
        if run is None:
            raise RuntimeError("deliver needs connect first")
        for number, record in records:
            match record["kind"]:
                case "metrics":
                    run.log({record["axis"]: record["step"], **record["values"]}, step=number)
                case "picture":
                    self._log_picture(record, number)
                case "evaluation":
                    run.summary.update(record["values"])
                case "file":
                    if (file := self.spool.run / record["path"]).is_file():
                        run.save(str(file), base_path=str(self.spool.run), policy="now")
                case "start":
                    about = {name: value for name, value in record["tags"].items() if name.startswith("eyas.")}
                    run.config.update({"dataset": record["dataset"], **about}, allow_val_change=True)
                case "resume":
                    run.config.update(record["tags"], allow_val_change=True)

    def close(self) -> None:
        """Hand the rest over. Online this returns when W&B has it."""
        if self._run is not None:
            self._run.finish(exit_code={"FINISHED": 0, "KILLED": 130, "FAILED": 1}[self.status])
            self._run = None

    def _log_picture(self, record: Record, number: int) -> None:
        file = self.spool.run / record["path"]
        if self._run is not None and file.is_file():
            values: dict[str, Any] = {record["key"]: self._wandb.Image(str(file))}
            self._run.log(values, step=number)
