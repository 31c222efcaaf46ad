"""What every command shares: `NAME key=value …` words, the configuration, and where a bundle is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.core.errors import ConfigError

if TYPE_CHECKING:
    from eyas.core.schema import Config

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="A YAML file; eyas.yaml is read where it exists.", metavar="FILE")
]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Any key of the configuration, as key=value.", metavar="[KEY=VALUE]...")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def read_words(words: list[str] | None, file: Path | None = None) -> tuple[str | None, Config]:
    """Split `DATA key=value …` into the data (None where it is left out) and the configuration.

    Raises:
        ConfigError: more than one word that is no override, or what `load_config` refuses.
    """
    from eyas.core.config import is_override, load_config

    words = words or []
    names = [word for word in words if not is_override(word)]
    if len(names) > 1:
        raise ConfigError(f"one name and then key=value are expected, got {' '.join(names)}")
    overrides = [word for word in words if is_override(word)]
    if names:
        overrides.insert(0, f"data.source={json.dumps(names[0])}")
    return (names[0] if names else None), load_config(file, overrides)


def find_bundle(path: Path) -> Path:
    """A bundle, or the bundle inside a run folder."""
    inside = path / "bundle"
    return inside if (inside / "manifest.json").is_file() else path


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")
