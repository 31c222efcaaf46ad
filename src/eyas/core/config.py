"""`eyas.yaml` and `key=value` overrides, read into the typed, frozen `Config`.

YAML file ──► nested dict ──► overrides, in order ──► unknown keys refused ──► Config
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from eyas.core import plain_yaml
from eyas.core.errors import ConfigError
from eyas.core.marks import SETTINGS
from eyas.core.schema import ARCHITECTURES, Config
from eyas.core.schema.addresses import SECRET

# Their values are words whatever they look like: `export.version=1.10` is not the number 1.1.
TEXT_KEYS = ("name", "runs_dir", "data.source", "data.fixes", "export.version", "serve.host")
DEFAULT_FILE = Path(SETTINGS)
RECIPES = Path(__file__).parent.parent / "recipes"

# Keys that people bring from other tools.
SYNONYMS = {
    "lr": "train.learning_rate",
    "bs": "train.batch_size",
    "batch": "train.batch_size",
    "imgsz": "data.image_size",
    "img_size": "data.image_size",
    "optim": "train.optimizer",
    "patience": "train.early_stopping.patience",
    "dropout_rate": "model.dropout",
}


def load_config(file: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read the configuration.

    Args:
        file: a YAML file, or the name of a recipe that ships; without one, `eyas.yaml` in the working directory where
            it exists.
        overrides: `section.key=value`, applied in order; the value is read as YAML.

    Raises:
        ConfigError: an unreadable file, an unknown key (with the nearest known one), a value that breaks its rule.
    """
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    if file and not file.exists() and str(file) in recipes():
        file = RECIPES / f"{file}.yaml"
    return load_values(_read_yaml(file) if file else {}, overrides, str(file) if file else "the command line")


def recipes() -> list[str]:
    """Names of the recipes that ship."""
    return sorted(file.stem for file in RECIPES.glob("*.yaml"))


def load_values(values: dict[str, Any], overrides: Sequence[str], where: str) -> Config:
    """`load_config` for values that are read already; `where` names their origin in the message."""
    values = copy.deepcopy(values)
    keys = {_apply(values, override) for override in overrides}
    return validate(values, where, keys)


def overlay(values: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a nested dict with dotted keys set, in order, as overrides set them."""
    values = copy.deepcopy(values)
    for key, value in settings.items():
        _set(values, key, value)
    return values


def validate(values: dict[str, Any], where: str, overridden: Collection[str] = ()) -> Config:
    """Check a nested dict against the schema.

    Args:
        where: the origin of the values in a message; of those in `overridden`, it is the command line.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(error, where, overridden))) from error


def dump_yaml(config: Config) -> str:
    """The resolved configuration, every key written out."""
    return plain_yaml.dump(config.model_dump(mode="json"))


def is_override(argument: str) -> bool:
    """Whether a command-line word is `key=value` and not the name of a file that has `=` in it."""
    key, equals, _ = argument.partition("=")
    return bool(equals) and all(part.isidentifier() for part in key.split(".")) and not Path(argument).exists()


def known_keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """Every dotted key of the schema."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for section in _sections(field.annotation):
            yield from known_keys(section, f"{prefix}{name}.")


def flat_values(section: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Dotted key → plain value. A dict stays one value: its keys are class names, not the schema's."""
    found: dict[str, Any] = {}
    plain = section.model_dump(mode="json")
    for name in type(section).model_fields:
        value = getattr(section, name)
        inside = isinstance(value, BaseModel)
        found |= flat_values(value, f"{prefix}{name}.") if inside else {prefix + name: plain[name]}
    return found


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The section types inside an annotation such as `PlateauConfig | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, Annotated):
        for argument in get_args(annotation):
            yield from _sections(argument)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = plain_yaml.read_file(file, "the configuration", ConfigError)
    except ConfigError as error:
        known = f"; recipes that ship: {', '.join(recipes())}" if not file.exists() else ""
        raise ConfigError(f"{error}{known}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{file} must hold `key: value` pairs, got a {type(values).__name__}")
    return values


def _apply(values: dict[str, Any], override: str) -> str:
    """Set one dotted key, and return it.

    A word on a section that has a name (`model=cnn`) sets the name and drops the rest.
    """
    key, value = parse_override(override)
    _set(values, key, value)
    return key


def parse_override(override: str, what: str = "an override") -> tuple[str, Any]:
    """The key and the value of `key=value`; the value is YAML.

    Args:
        what: it is, for the message.

    Raises:
        ConfigError: no `=`, or a value that is no YAML.
    """
    key, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"{what} must be key=value, got {override!r}")
    try:
        value = plain_yaml.read(text)
    except ValueError as error:
        raise ConfigError(f"the value of {key} is not valid YAML: {text!r}") from error
    keeps_text = key in TEXT_KEYS and value is not None and not isinstance(value, str)
    return key, text if keeps_text else value


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    node = values
    for parent in parents:
        child = node.get(parent)
        if isinstance(child, str):  # `model: cnn` in the file, `model.l2=…` here
            child = {"name": child}
        node[parent] = child = child if isinstance(child, dict) else {}
        node = child
    node[last] = value


def _explain(error: ValidationError, where: str, overridden: Collection[str]) -> Iterator[str]:
    for problem in error.errors():
        tags = [part for part in problem["loc"] if part in ARCHITECTURES]
        path = ".".join(str(part) for part in problem["loc"] if part not in tags)
        if problem["type"] == "extra_forbidden":
            given = any(f"{key}.".startswith(f"{path}.") for key in overridden)
            origin = "on the command line" if given else f"in {where}"
            yield f"unknown key {path} {origin}{did_you_mean(path, str(tags[0]) if tags else '')}"
        else:
            got = "" if problem["type"] == SECRET else f", got {problem['input']!r}"
            yield f"{path} {_rule(problem['msg'])}{got}"


def did_you_mean(path: str, architecture: str = "") -> str:
    """The end of a message on an unknown key: the nearest known one, or those that are there."""
    keys = list(known_keys())
    if path in keys:
        return f": it belongs to another network than {architecture}"
    section, _, last = path.rpartition(".")
    if last in SYNONYMS:
        return f": did you mean {SYNONYMS[last]}?"
    siblings = {k.rpartition(".")[2]: k for k in keys if k.rpartition(".")[0] == section}
    elsewhere = {k.rpartition(".")[2]: k for k in keys}
    for candidates in (siblings, elsewhere):
        if near := difflib.get_close_matches(last, candidates, n=1, cutoff=0.6):
            return f": did you mean {candidates[near[0]]}?"
    inside = [k for k in keys if k.rpartition(".")[0] == section]
    return f"; known there: {', '.join(inside)}" if inside else ""


def _rule(message: str) -> str:
    """pydantic's sentence, as the end of ours: `Input should be greater than 0` → `must be greater than 0`."""
    if message.startswith("Input should be a valid dictionary"):
        return "must be a section of key: value pairs"
    for opening in ("Input should", "String should", "Value error,"):
        if message.startswith(opening):
            return "must" + message[len(opening) :]
    return "is wrong: " + message[:1].lower() + message[1:]
