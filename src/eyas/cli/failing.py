"""What the command says where it fails: a sentence on standard error, or JSON where JSON was asked for."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from eyas.cli.words import JSON_FLAG
from eyas.core.errors import EXIT_CODES

# What Typer raises for words and options that it cannot read; where the class itself lies, its versions do not agree.
UsageError: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")


class PastTyper(Exception):  # noqa: N818 - it carries one
    """What Typer would end the process for itself, without a word: Ctrl-C, and a pipe that nobody reads.

    Args:
        error: it.
    """

    def __init__(self, error: KeyboardInterrupt | BrokenPipeError) -> None:
        super().__init__()
        self.error = error


class Verbs(TyperGroup):
    """The commands, with `PastTyper` raised where Typer would say nothing."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """As Typer's; `--help` is printed here."""
        with _past_typer():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """As Typer's."""
        with _past_typer():
            return super().invoke(ctx)


@contextmanager
def _past_typer() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, BrokenPipeError) as error:
        raise PastTyper(error) from error


def is_read() -> bool:
    """Whether there still is somebody to read standard output and standard error."""
    looked = select.poll()
    for stream in (sys.stdout, sys.stderr):
        looked.register(stream, 0)  # a pipe without a reader is told of unasked
    return not looked.poll(0)


def let_go() -> None:
    """Drop what nobody reads, which Python would complain of at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def wants_json(words: Sequence[str]) -> bool:
    """Whether these command-line words ask for JSON."""
    options = words[: words.index("--")] if "--" in words else words
    return JSON_FLAG in options


def fail(kind: str, message: str, exit_code: int, *, as_json: bool) -> None:
    """Say it, and end with the exit code.

    Args:
        kind: the name of the error's class.
        message: what, the rule, and what it got; one or more lines.
        exit_code: one of `core.errors.EXIT_CODES`.
        as_json: `{"error": {"type", "message", "exit_code"}}` in one line in place of the sentence.
    """
    if as_json:
        error = {"type": kind, "message": message, "exit_code": exit_code}
        print(json.dumps({"error": error}, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"error: {message}", file=sys.stderr)
    sys.exit(exit_code)


def usage_message(error: Exception) -> str:
    """What Typer says of words that it cannot read."""
    return str(error.format_message()) if hasattr(error, "format_message") else str(error)


def exit_codes_line() -> str:
    """All codes in one line, for the end of `eyas --help`."""
    return "Exit codes: " + ", ".join(f"{code} {said.short}" for code, said in EXIT_CODES.items()) + "."
