"""`DATA` and `key=value` words.

Bash cuts a word at `=`: of `model=c` it asks about `c`, with `model` and `=` among the words before. Others ask about
the whole.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer

from eyas.cli.completion.names import DATA

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def data_words(context: typer.Context, incomplete: str) -> list[str]:
    """Data, where no word has named them yet, and keys."""
    keys = config_keys(context, incomplete)
    before = _before(context)
    if before[-1:] == ["="] or any("=" not in word for word in before if word not in _cut_keys(before)):
        return keys
    return [*DATA, *_folders(incomplete), *keys]


def config_keys(context: typer.Context, incomplete: str) -> list[str]:
    """Keys that begin as the word does, the values of one that is whole; nothing for an empty word."""
    before = _before(context)
    if before[-1:] == ["="]:
        return _values(before[-2]) if len(before) > 1 else []
    key, equals, _ = incomplete.partition("=")
    if equals:
        return [f"{key}={value}" for value in _values(key)]
    if not incomplete or "/" in incomplete:
        return []
    from eyas.core.config import known_keys

    found = list(dict.fromkeys(name for name in known_keys() if name.startswith(incomplete)))
    if len(found) == 1:  # two of them, where they can be: a shell puts a space behind a single one
        return [f"{found[0]}=", *(f"{found[0]}={value}" for value in _values(found[0]))]
    return [f"{name}=" for name in found]


def _before(context: typer.Context) -> list[str]:
    """The words of this argument that are whole."""
    words = context.params.get("words") or context.params.get("overrides") or []
    return [*map(str, words), *(["="] if _is_at_equals() else [])]


def _is_at_equals() -> bool:
    """Whether bash asks about the `=` itself, which Typer takes for the beginning of a word."""
    words, at = os.environ.get("COMP_WORDS", "").split("\n"), os.environ.get("COMP_CWORD", "")
    return at.isdigit() and words[int(at) : int(at) + 1] == ["="]


def _cut_keys(words: list[str]) -> set[str]:
    """The keys and values that bash has cut at `=`."""
    at = [index for index, word in enumerate(words) if word == "="]
    return {words[near] for index in at for near in (index - 1, index, index + 1) if 0 <= near < len(words)}


def _folders(incomplete: str) -> list[str]:
    parent = incomplete.rpartition("/")[0]
    try:
        entries = sorted(entry for entry in Path(parent or ".").iterdir() if entry.is_dir())
    except OSError:  # there is no such folder: there is nothing to offer
        return []
    return [f"{parent}/{entry.name}/" if parent else f"{entry.name}/" for entry in entries if entry.name[0] != "."]


def _values(key: str) -> list[str]:
    """What a key may be, or its default where that is no list."""
    from eyas.core.schema import ARCHITECTURES, Config

    if key == "data.source":
        return [*DATA]
    if key in ("model", "model.name"):
        return [name for name in ARCHITECTURES if name != "custom"]  # that one is written as FILE.py:FUNCTION
    *parents, last = key.split(".")
    sections: list[Any] = [Config]
    for name in parents:
        fields = [section.model_fields.get(name) for section in sections]
        sections = [inner for field in fields if field for inner in _sections(field.annotation)]
    found = [section.model_fields[last] for section in sections if last in section.model_fields]
    return list(dict.fromkeys(value for field in found for value in _of_field(field)))


def _of_field(field: FieldInfo) -> list[str]:
    choices = [*_choices(field.annotation)]
    if choices:
        return choices
    default = field.get_default(call_default_factory=True, validated_data={})
    return [str(default)] if isinstance(default, int | float | str) else []


def _choices(annotation: Any) -> list[str]:
    if annotation is bool:
        return ["true", "false"]
    if annotation is type(None):
        return ["null"]
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    if get_origin(annotation) in (Union, UnionType, Annotated):
        inside = [choice for inner in get_args(annotation) for choice in _choices(inner)]
        return inside if inside != ["null"] else []
    return []


def _sections(annotation: Any) -> list[Any]:
    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [section for inner in get_args(annotation) for section in _sections(inner)]
