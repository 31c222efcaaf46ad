"""Run folders: `<runs_dir>/<name>-<n>/`, never overwritten."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyas.core import io
from eyas.core.config import dump_yaml, load_config
from eyas.core.errors import ConfigError
from eyas.core.marks import HISTORY, METRICS, RUN
from eyas.core.schema import Config


@dataclass(frozen=True)
class RunFolder:
    """The paths inside one run folder."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The resolved configuration."""
        return self.path / RUN

    @property
    def history(self) -> Path:
        """One CSV row an epoch: the columns are `eyas.train.EpochRow`'s fields."""
        return self.path / HISTORY

    @property
    def metrics(self) -> Path:
        """JSON: one object a split that has been evaluated."""
        return self.path / METRICS

    @property
    def data_check(self) -> Path:
        """JSON: a list of what `eyas train` has found in the data."""
        return self.path / "data_check.json"

    @property
    def best(self) -> Path:
        """Weights of the best epoch."""
        return self.path / "best.pt"

    @property
    def last(self) -> Path:
        """Everything that training needs to go on."""
        return self.path / "last.pt"

    @property
    def bundle(self) -> Path:
        """Where `eyas export` puts the bundle."""
        return self.path / "bundle"

    def quantised_bundle(self, precision: str) -> Path:
        """Where `eyas export --int8` and `--fp16` put theirs."""
        return self.path / f"bundle-{precision}"

    def config(self) -> Config:
        """The configuration that the run was started with."""
        return load_config(self.config_file)

    def read_metrics(self) -> dict[str, Any]:
        """The evaluated splits so far; empty before the first."""
        return io.read_json(self.metrics) if self.metrics.exists() else {}

    def add_metrics(self, split: str, values: dict[str, Any]) -> None:
        """Record one split's metrics beside the others."""
        io.write_json(self.metrics, {**self.read_metrics(), split: values})


def create_run(config: Config, name: str, target: Path | None = None) -> RunFolder:
    """Make the next free `<runs_dir>/<name>-<n>`, or `target`, and save the resolved configuration in it.

    Raises:
        ConfigError: `target` exists.
    """
    run = RunFolder(_make_exactly(target) if target else next_folder(Path(config.runs_dir), name))
    io.write_text(run.config_file, dump_yaml(config))
    return run


def require_free(target: Path | None) -> None:
    """Refuse a run folder that exists before any work goes into it.

    Raises:
        ConfigError: it does.
    """
    if target and (target.exists() or target.is_symlink()):
        raise ConfigError(f"{target} exists already and a run folder is never overwritten; name another or remove it")


def _make_exactly(target: Path) -> Path:
    require_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.mkdir()
    except FileExistsError:  # another process has been faster
        require_free(target)
        raise
    return target


def next_folder(root: Path, name: str) -> Path:
    """Make the next free `<root>/<name>-<n>`.

    `mkdir` decides who gets a number, so runs started at the same moment get different ones.
    """
    root.mkdir(parents=True, exist_ok=True)
    pattern = re.compile(re.escape(name) + r"-(\d+)")
    taken = [int(match[1]) for entry in root.iterdir() if (match := pattern.fullmatch(entry.name))]
    number = max(taken, default=0) + 1
    while True:
        path = root / f"{name}-{number}"
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            continue
        return path


def open_run(path: Path | str) -> RunFolder:
    """An existing run folder.

    Raises:
        ConfigError: it is not one; the message lists the runs beside it.
    """
    path = Path(path)
    run = RunFolder(path)
    if run.config_file.exists():
        return run
    parent = path if path.is_dir() else path.parent
    near = sorted(p.parent.name for p in parent.glob("*/config.yaml"))
    hint = f"; runs in {parent}: {', '.join(near)}" if near else "; `eyas train DATA` makes one"
    raise ConfigError(f"{path} is not a run folder (no config.yaml in it){hint}")
