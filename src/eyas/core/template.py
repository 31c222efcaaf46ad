"""The commented `eyas.yaml` that `eyas init` writes, made from the schema so that the two cannot differ."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pydantic import BaseModel

from eyas.core.plain_yaml import one_line
from eyas.core.schema import Config
from eyas.core.schema.addresses import WITH_SECRETS

WIDTH = 100
HEADER = """\
# eyas configuration. Every key is also a command-line override: eyas train train.epochs=5
# A key left out has its default; `eyas init` shows the defaults.
"""


def commented_yaml(config: Config) -> str:
    """The configuration with each key's description above it."""
    return HEADER + "\n".join(_section(config, "")) + "\n"


def _section(model: BaseModel, indent: str) -> Iterator[str]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        description = field.description or (value.__doc__ if isinstance(value, BaseModel) else None)
        if isinstance(value, BaseModel) and not indent:
            yield ""
        for line in textwrap.wrap(" ".join((description or "").split()), WIDTH - len(indent)):
            yield f"{indent}# {line}"
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _section(value, indent + "  ")
        else:
            yield f"{indent}{name}: {one_line(model.model_dump(mode='json', context=WITH_SECRETS)[name])}"
