"""`eyas doctor`: what is installed, what this process may use, what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from eyas.cli.words import AsJson, print_json

EXTRAS = (
    "serve",
    "client",
    "jwks",
    "signing",
    "grpc",
    "otel",
    "train",
    "ray",
    "keras",
    "pretrained",
    "track",
    "wandb",
    "aws",
)


def doctor(as_json: AsJson = False) -> None:
    """Show versions, devices, threads and extras; say how to install what is missing.

    Example: eyas doctor --json
    """
    from eyas.core import console, io, machine

    cache = io.cache_dir()
    found: dict[str, Any] = {
        "eyas": version("eyas"),
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "processor": machine.cpu_name(),
        "cores": f"{machine.usable_cores()} usable of {os.cpu_count()}",
        "threads": f"{machine.usable_cores()} for training and for prediction (train.threads, serve.threads)",
        "devices": _devices(),
        "cache": f"{cache} ({_free_gib(cache):.0f} GiB free)",
        **{f"extra [{extra}]": _extra(extra) for extra in EXTRAS},
    }
    if as_json:
        print_json(found)
    else:
        console.out.print(console.table("", ("what", "found"), found.items()))


def _devices() -> str:
    """The devices that training could use."""
    try:
        import torch
    except ModuleNotFoundError:
        return "cpu (torch is not installed)"
    if not torch.cuda.is_available():
        return f"cpu (torch {torch.__version__}, no CUDA)"
    names = (torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    return f"cpu, {', '.join(names)} (torch {torch.__version__}, CUDA {torch.version.cuda})"


def _extra(extra: str) -> str:
    """Installed versions of the extra's own requirements, or the command that installs it."""
    names = [_name(line) for line in requires("eyas") or () if f'extra == "{extra}"' in line.replace("'", '"')]
    versions, missing = [], []
    for name in (name for name in names if name != "eyas"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return f'lacks {", ".join(missing)}: pip install "eyas[{extra}]"'
    return ", ".join(versions)


def _name(requirement: str) -> str:
    """The distribution's name at the start of a requirement line."""
    end = next((i for i, c in enumerate(requirement) if not (c.isalnum() or c in "-_.")), len(requirement))
    return requirement[:end]


def _free_gib(path: os.PathLike[str]) -> float:
    from pathlib import Path

    existing = next(p for p in (Path(path), *Path(path).parents) if p.exists())
    return shutil.disk_usage(existing).free / 2**30
