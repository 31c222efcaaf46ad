"""eyas: the whole life of an image classifier, from a folder of images to a monitored service.

The names below are what a notebook or script needs. Each is loaded when it is first used, so that `import eyas` is
instant and the serving half never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eyas.api.classifier import Classifier
    from eyas.bundle import Repository, open_bundle
    from eyas.client import AsyncClient, Client
    from eyas.core.config import load_config
    from eyas.core.errors import EyasError
    from eyas.core.runs import open_run
    from eyas.core.schema import Config
    from eyas.data import Dataset, check_dataset, open_dataset
    from eyas.export import export_run
    from eyas.infer import Predictor
    from eyas.report import draw_curves, draw_preview, write_evaluation
    from eyas.train import ProgressBar, evaluate_run, resume_run, start_run
    from eyas.train.augment import make_preview
    from eyas.tune.sampler import SwarmSampler

__version__ = "0.1.0.dev0"
__all__ = [
    "AsyncClient",
    "Classifier",
    "Client",
    "Config",
    "Dataset",
    "EyasError",
    "Predictor",
    "ProgressBar",
    "Repository",
    "SwarmSampler",
    "__version__",
    "check_dataset",
    "draw_curves",
    "draw_preview",
    "evaluate_run",
    "export_run",
    "load_config",
    "make_preview",
    "open_bundle",
    "open_dataset",
    "open_run",
    "resume_run",
    "start_run",
    "write_evaluation",
]

# Room → the extra that its libraries come with (None: the base install), and its public names.
_ROOMS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "eyas.api.classifier": ("train", ("Classifier",)),
    "eyas.core.config": (None, ("load_config",)),
    "eyas.core.errors": (None, ("EyasError",)),
    "eyas.core.runs": (None, ("open_run",)),
    "eyas.core.schema": (None, ("Config",)),
    "eyas.bundle": ("serve", ("Repository", "open_bundle")),
    "eyas.client": ("client", ("AsyncClient", "Client")),
    "eyas.infer": ("serve", ("Predictor",)),
    "eyas.data": ("train", ("Dataset", "check_dataset", "open_dataset")),
    "eyas.export": ("train", ("export_run",)),
    "eyas.report": ("train", ("draw_curves", "draw_preview", "write_evaluation")),
    "eyas.train": ("train", ("ProgressBar", "evaluate_run", "resume_run", "start_run")),
    "eyas.train.augment": ("train", ("make_preview",)),
    "eyas.tune.sampler": ("train", ("SwarmSampler",)),
}


def __getattr__(name: str) -> Any:
    for room, (extra, names) in _ROOMS.items():
        if name in names:
            return getattr(_load(room, extra), name)
    raise AttributeError(f"module 'eyas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def _load(room: str, extra: str | None) -> Any:
    if extra is None:
        return import_module(room)
    from eyas.core.errors import needs_extra

    with needs_extra(extra):
        return import_module(room)
