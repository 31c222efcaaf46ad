"""`${NAME}` in a file of `deploy/`, filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

from eyas.core import io
from eyas.core.errors import ConfigError
from eyas.deploy.files import template_folder

UNSAFE = '"\\\n\r\t{}'
"""What would end a string of JSON or YAML, or begin another placeholder."""


def fill(folder: str, names: Iterable[str], values: Mapping[str, str], target: Path) -> list[Path]:
    """Write files of `deploy/FOLDER` with their placeholders filled in.

    Args:
        folder: of `deploy/`.
        names: of the files.
        values: by placeholder.
        target: a folder that does not exist yet.

    Returns:
        What was written.

    Raises:
        ConfigError: a value that would not stay within its quotes; the target exists.
    """
    for name, value in values.items():
        if found := [character for character in UNSAFE if character in value]:
            raise ConfigError(f"{name.lower()} must have none of the characters {found}, got {value!r}")
    texts = {name: Template(read_template(folder, name)).substitute(values) for name in names}
    with io.new_folder(target, ConfigError) as partial:
        for name, text in texts.items():
            io.write_text(partial / name, text)
    return [target / name for name in texts]


def read_template(folder: str, name: str) -> str:
    """A file of `deploy/`."""
    return (template_folder() / folder / name).read_text(encoding="utf-8")
