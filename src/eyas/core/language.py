"""Sentences in more than one language: a YAML file a language beside the code that says them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from string import Formatter
from typing import Any, Literal, get_args

from eyas.core import plain_yaml
from eyas.core.errors import ConfigError

Language = Literal["en", "fr"]
LANGUAGES: tuple[str, ...] = get_args(Language)

NARROW_SPACE = "\u202f"  # French sets it before % and between thousands


class Phrases:
    """The phrases of one file, by dotted key.

    Args:
        folder: holds `<language>.yaml`.
        language: a code of `LANGUAGES`.

    Raises:
        ConfigError: a language that there is no file for.
    """

    def __init__(self, folder: Path, language: str) -> None:
        require_language(language)
        self.language = language
        self._phrases: dict[str, Any] = plain_yaml.read((folder / f"{language}.yaml").read_text(encoding="utf-8"))
        self._formatter = FrenchNumbers() if language == "fr" else Formatter()

    def __call__(self, key: str, /, **values: Any) -> str:
        """The phrase with `{name:format}` filled in."""
        return self.fill(self._text(key), **values)

    def fill(self, text: str, /, **values: Any) -> str:
        """Any text, its numbers written in the language's way."""
        return self._formatter.vformat(text, (), values)

    def fields(self, key: str) -> list[str]:
        """Names of the values that the phrase takes, in alphabetical order."""
        return sorted({name for _, name, _, _ in self._formatter.parse(self._text(key)) if name})

    def keys(self) -> list[str]:
        """Every dotted key."""
        return list(_keys(self._phrases, ""))

    def _text(self, key: str) -> str:
        found: Any = self._phrases
        for part in key.split("."):
            found = found[part]
        return str(found)


def phrases_beside(file: str) -> Callable[[str], Phrases]:
    """What gives the phrases of a language from the folder `texts` beside this file of code; each is read once.

    The function that is given raises ConfigError as `Phrases` does.
    """
    return cache(partial(Phrases, Path(file).parent / "texts"))


class FrenchNumbers(Formatter):
    """`1,234.5 %` is written `1 234,5 %`."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format a number, then change its signs; words are left alone."""
        text = str(super().format_field(value, format_spec))
        if not isinstance(value, int | float) or isinstance(value, bool):
            return text
        text = text.translate({ord(","): NARROW_SPACE, ord("."): ","})
        return text.replace("%", NARROW_SPACE + "%")


def require_language(language: str) -> None:
    """Refuse a language that nobody has written.

    Raises:
        ConfigError: names those that there are.
    """
    if language not in LANGUAGES:
        raise ConfigError(f"the language must be one of {', '.join(LANGUAGES)}, got {language!r}")


def _keys(node: Any, prefix: str) -> Sequence[str]:
    if not isinstance(node, dict):
        return [prefix]
    return [key for name, child in node.items() for key in _keys(child, f"{prefix}.{name}" if prefix else str(name))]
