"""What every part of the configuration is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# Pillow refuses more than twice its MAX_IMAGE_PIXELS whatever eyas says.
PixelLimit = Annotated[int, Field(gt=0, le=178_956_970)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"
"""Of a model or a version: both are folders of a repository."""
Rate = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A part of the configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def first_fault(error: ValidationError) -> str:
    """What is wrong with a file that we wrote, in one sentence: the key, its rule and what stands there, cut short."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "it"
    return f"{where}: {first['msg']}, got {first['input']!r:.200}"
