"""What every command shares: `NAME key=value …` words, the configuration, and where a bundle is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.cli import completion
from eyas.core.errors import ConfigError
from eyas.core.marks import is_bundle

if TYPE_CHECKING:
    from eyas.bundle.manifest import Parity
    from eyas.core.schema import Config

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="A YAML file, or a recipe that ships (digits, fashion-mnist-cpu, cifar100-cpu, …); eyas.yaml is read "
        "where it exists.",
        metavar="FILE",
        autocompletion=completion.recipes,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        help="Any key of the configuration, as key=value.",
        metavar="[KEY=VALUE]...",
        autocompletion=completion.config_keys,
    ),
]
DataWords = Annotated[
    list[str] | None,
    typer.Argument(
        help="The data, then any key of the configuration as key=value.",
        metavar="[DATA] [KEY=VALUE]...",
        autocompletion=completion.data_words,
    ),
]
BundlePath = Annotated[
    Path,
    typer.Argument(
        help="A bundle, or a run folder that holds one.", metavar="BUNDLE", autocompletion=completion.bundles
    ),
]
RunTarget = Annotated[
    Path | None, typer.Option("--to", help="The run folder; the next free number by default.", metavar="RUN")
]
Lang = Annotated[str, typer.Option("--lang", help="en or fr.", metavar="LANG", autocompletion=completion.languages)]
Token = Annotated[
    str, typer.Option(envvar="EYAS_TOKEN", help="Bearer token; better in EYAS_TOKEN.", show_default=False)
]
SCALINGS_HELP = "bytes (0 to 255), unit (0 to 1), symmetric (-1 to 1), imagenet, caffe, clip, cifar10, mnist"
"""In the help of `--scaling`: the names of `eyas.core.scalings.SCALINGS`, which a test holds it to."""
JSON_FLAG = "--json"
AsJson = Annotated[bool, typer.Option(JSON_FLAG, help="Print one JSON document; an error is one on standard error.")]
AsJsonLines = Annotated[
    bool, typer.Option(JSON_FLAG, help="Print one JSON document on standard output; with --follow, one a line.")
]


def split_words(words: list[str] | None) -> tuple[str | None, list[str]]:
    """Split `NAME key=value …` into the name (None where it is left out) and the overrides.

    Raises:
        ConfigError: more than one word that is no override.
    """
    from eyas.core.config import is_override

    overrides = [word for word in words or [] if is_override(word)]
    names = [word for word in words or [] if not is_override(word)]
    if len(names) > 1:
        raise ConfigError(f"one name and then key=value are expected, got {' '.join(names)}")
    return (names[0] if names else None), overrides


def read_words(words: list[str] | None, file: Path | None = None) -> tuple[str | None, Config]:
    """`split_words`, the name taken for `data.source`, and the configuration read."""
    from eyas.core.config import load_config

    name, overrides = split_words(words)
    if name is not None:
        overrides.insert(0, f"data.source={json.dumps(name)}")
    return name, load_config(file, overrides)


def require_new(file: Path) -> None:
    """Never write over a file of the user's.

    Raises:
        ConfigError: it is there.
    """
    if file.exists():
        raise ConfigError(f"{file} exists already and is never overwritten; name another file")


def find_bundle(path: Path) -> Path:
    """A bundle, or the bundle inside a run folder."""
    inside = path / "bundle"
    return inside if is_bundle(inside) else path


def parity_line(parity: Parity, what: str = "parity") -> str:
    """The proof of a bundle in a line."""
    return (
        f"{what}: {parity.images:,} {parity.split} images, largest difference {max(parity.differences.values()):.1e} "
        f"(tolerance {parity.tolerance:g}), same class on {parity.agreement:.2%}"
    )


def next_of_bundle(bundle: Path) -> str:
    """What to do with a bundle that has just been made."""
    return f"next: eyas predict {bundle} IMAGE…   or   eyas serve {bundle}"


def next_of_run(run: Path) -> str:
    """What to do with a run that has just been trained or imported."""
    return f"next: eyas evaluate {run}   or   eyas export {run}"


def print_json(value: Any, *, line: bool = False) -> None:
    """One JSON document on standard output, at once and whole or not at all; `line`: in one line.

    Raises:
        ValueError: a number in it is NaN or infinite, which is not JSON; nothing is written.
    """
    document = json.dumps(value, indent=None if line else 2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(f"{document}\n")
    sys.stdout.flush()


def tell(as_json: bool, value: Any, *lines: str) -> None:
    """What came of a command: `value` as JSON, or these lines for people."""
    if as_json:
        print_json(value)
        return
    for line in lines:
        typer.echo(line)
