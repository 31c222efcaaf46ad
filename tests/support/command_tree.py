"""Every command and group of `eyas`, and the examples in their help."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

import typer

from eyas.cli import app

EXAMPLE = "Example: "


class Command(NamedTuple):
    """A command or a group; `found` is Typer's own object."""

    line: str
    """`eyas data check`."""
    found: Any

    @property
    def is_group(self) -> bool:
        """Whether it has commands of its own."""
        return hasattr(self.found, "commands")

    @property
    def options(self) -> set[str]:
        """`--json`, `-c`, …"""
        return {name for parameter in self.found.params for name in parameter.opts if name.startswith("-")}

    @property
    def examples(self) -> list[list[str]]:
        """The words of each line that its help gives as an example, `eyas` left out."""
        text = " ".join((self.found.help or "").partition(EXAMPLE)[2].split())
        return [shlex.split(line)[1:] for line in text.split(";") if line.strip()]


def command_tree() -> list[Command]:
    """All of them, `eyas` itself the first."""
    return list(_walk(Command("eyas", typer.main.get_command(app))))


def _walk(command: Command) -> Iterator[Command]:
    yield command
    for name, inner in getattr(command.found, "commands", {}).items():
        yield from _walk(Command(f"{command.line} {name}", inner))
