"""The reference pages, made from the commands and the schema while the site is built: they cannot be stale."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from eyas.cli import app
from eyas.core import errors
from eyas.core.config import RECIPES, recipes
from eyas.core.errors import EXIT_CODES, EyasError
from eyas.core.schema import Config

COMMANDS_HEAD = """\
# Commands

Each prints its own help with `--help`. Words of the form `key=value` set any key of the
[configuration](configuration.md), on every command that reads it. [Exit codes](exit-codes.md) have a page of their own.
"""
EXIT_CODES_HEAD = """\
# Exit codes

What `eyas` ends with. With `--json` an error is one line of JSON on standard error,
`{"error": {"type": "DataError", "message": "…", "exit_code": 3}}`; the code is the same.

| code | | means | raised by |
| --- | --- | --- | --- |
"""
CONFIGURATION_HEAD = """\
# Configuration

`eyas init` writes a commented `eyas.yaml` with these keys; each is also an override: `eyas train train.epochs=5`.
A key that is not here is refused, with the nearest one that is. `null` stands for "unset".
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Every decision's page joins the navigation."""
    pages = sorted((Path(config.docs_dir) / "decisions").glob("*.md"))
    assert config.nav is not None
    config.nav = [*config.nav, {"Decisions": [f"decisions/{page.name}" for page in pages]}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The generated pages."""
    made = {"commands": commands_page, "configuration": configuration_page, "exit-codes": exit_codes_page}
    for name, page in made.items():
        files.append(File.generated(config, f"reference/{name}.md", content=page()))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """A figure opens by itself when it is chosen: three panels are small on a phone."""
    return re.sub(r'(<img [^>]*src="([^"]+)"[^>]*title=[^>]*>)', r'<a href="\2">\1</a>', html)


def commands_page() -> str:
    """Every verb with its words, options and example."""
    return "\n".join([COMMANDS_HEAD, *_commands(typer.main.get_command(app), "eyas")])


def configuration_page() -> str:
    """Every key with its default, its values and its meaning."""
    schema = Config.model_json_schema()
    parts = [CONFIGURATION_HEAD, *_section(schema, schema["$defs"], ""), *_recipes()]
    return "\n".join(parts)


def exit_codes_page() -> str:
    """Every code, its meaning, and the errors that end with it."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EyasError)]
    rows = []
    for code, said in EXIT_CODES.items():
        raised = ", ".join(f"`{kind.__name__}`" for kind in kinds if kind.exit_code == code)
        rows.append(f"| {code} | {said.short} | {_cell(said.meaning)} | {raised} |")
    return EXIT_CODES_HEAD + "\n".join(rows) + "\n"


def _commands(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        line = f"{path} {name}"
        if hasattr(command, "commands"):
            yield from _commands(command, line)
            continue
        said, _, examples = (command.help or "").partition("Example: ")
        words = [p for p in command.params if not p.opts[0].startswith("-")]
        options = [p for p in command.params if p.opts[0].startswith("-")]
        yield f"\n## {line}\n\n{_escape(said.strip())}\n"
        usage = " ".join([line, *(["[OPTIONS]"] if options else []), *(_metavar(word) for word in words)])
        yield f"```text\n{usage}\n```\n"
        yield "| word or option | meaning |\n| --- | --- |"
        for p in words:
            yield f"| `{_cell(_metavar(p))}` | {_cell(p.help or '')} |"
        for p in options:
            yield f"| `{_cell(_option(p))}` | {_cell(p.help or '')}{_default(p)} |"
        if examples:
            # The page is a reference: the tour and the guide are where examples are run.
            lines = "\n".join(example.strip() for example in " ".join(examples.split()).split(";"))
            yield f"\n```console\n{lines}\n```\n"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _option(parameter: Any) -> str:
    names = ", ".join(sorted(parameter.opts, key=len))
    if parameter.is_flag:
        return names
    annotation = parameter.type_descriptor.annotation
    choices = "|".join(get_args(annotation)) if get_origin(annotation) is Literal else None
    return f"{names} {parameter.metavar or choices or annotation.__name__.upper()}"


def _default(parameter: Any) -> str:
    if parameter.is_flag or parameter.default is None:
        return ""
    return f" Default: `{parameter.default}`."


def _section(schema: dict[str, Any], known: dict[str, Any], path: str) -> Iterator[str]:
    """The table of a section's own keys, then each section inside it."""
    own: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = []
    inner: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = []
    for name, field in schema["properties"].items():
        key = f"{path}.{name}".lstrip(".")
        sections = list(_references(field, known))
        (inner if sections else own).append((key, field, sections))
    if own:
        yield "| key | default | meaning |\n| --- | --- | --- |"
    for key, field, _ in own:
        default = field.get("default", "required")
        default = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
        meaning = _cell(_escape(" ".join(field.get("description", "").split())))
        yield f"| `{key}` | `{_cell(default)}` | {meaning}{_values(field)} |"
    for key, field, sections in inner:
        for section in sections:
            title = key if len(sections) == 1 else f"{key}: {_variant(section)}"
            yield f"\n{'##' if '.' not in key else '###'} {title}\n"
            yield _escape(" ".join(section.get("description", "").split())) + "\n"
            if field.get("description") and len(sections) == 1 and field["description"] != section.get("description"):
                yield _escape(field["description"]) + "\n"
            yield from _section(section, known, key)


def _variant(section: dict[str, Any]) -> str:
    return str(section["properties"]["name"].get("const", "a network of your own"))


def _references(field: dict[str, Any], known: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for place in (field, *field.get("anyOf", ()), *field.get("oneOf", ())):
        if "$ref" in place:
            yield known[place["$ref"].rpartition("/")[2]]


def _values(field: dict[str, Any]) -> str:
    """The values that a key takes, where they are a list or a range."""
    for place in (field, *field.get("anyOf", ())):
        choices = place.get("enum") or place.get("items", {}).get("enum")
        if choices and not all(str(choice) in field.get("description", "") for choice in choices):
            return " One of " + ", ".join(f"`{choice}`" for choice in choices) + "."
        words = {"exclusiveMinimum": "above", "minimum": "from", "exclusiveMaximum": "below", "maximum": "up to"}
        bounds = [f"{word} {place[name]:,}" for name, word in words.items() if name in place]
        if bounds:
            return f" {bounds[0].capitalize()}{' and ' + bounds[1] if len(bounds) > 1 else ''}."
    return ""


def _recipes() -> Iterator[str]:
    yield "\n## Recipes that ship\n\n`-c NAME` reads one of these.\n"
    for name in recipes():
        yield f"### {name}\n\n```yaml\n{(RECIPES / f'{name}.yaml').read_text().strip()}\n```\n"


def _escape(text: str) -> str:
    """`<angle brackets>` outside code are text, not HTML."""
    return re.sub(r"(`[^`]*`)|<", lambda found: found[1] or "&lt;", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
