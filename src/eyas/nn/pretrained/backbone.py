"""What a backbone is, apart from its weights: enough to build it again, kept as `backbone.json` in the run folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eyas.core import io
from eyas.core.errors import TrainingError

BACKBONE_FILE = "backbone.json"


@dataclass(frozen=True)
class Backbone:
    """A timm architecture and how images are prepared for it."""

    architecture: str
    """timm's name, with the tag of its weights where it has one."""
    arguments: dict[str, Any]
    """Keyword arguments for timm's `create_model`."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Per channel on [0, 1]."""
    size: int
    """Pixels a side."""
    interpolation: str
    """How images are enlarged to it: a filter of Pillow's, by its name."""
    weights: str
    """SHA-256 of the file that they came from."""
    origin: str
    """Where that was, for people."""

    def write(self, folder: Path) -> None:
        """Keep it in a run folder."""
        io.write_json(folder / BACKBONE_FILE, asdict(self))


def read_backbone(file: Path) -> Backbone:
    """What `Backbone.write` kept.

    Raises:
        TrainingError: the file is damaged.
    """
    try:
        kept = io.read_json(file)
        return Backbone(**{**kept, "mean": tuple(kept["mean"]), "std": tuple(kept["std"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{file} is damaged: {error}") from error
