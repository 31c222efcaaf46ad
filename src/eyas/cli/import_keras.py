"""`eyas import keras`: a Keras model becomes a run folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from eyas.cli.data import print_warnings
from eyas.cli.words import AsJson, ConfigFile, Overrides, print_json
from eyas.core.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from eyas.cli.taking_in import Taken
    from eyas.core.schema import Config
    from eyas.train.imported import BetterScaling

Pixels = Literal["bytes", "unit", "symmetric", "standard"]


def import_keras(
    model: Annotated[
        str,
        typer.Argument(help="model.keras, model.h5, architecture.json or builder.py:build.", metavar="MODEL"),
    ],
    overrides: Overrides = None,
    data: Annotated[
        str | None, typer.Option("--data", "-d", help="The images that it is for; data.source.", metavar="DATA")
    ] = None,
    pixels: Annotated[
        Pixels | None,
        typer.Option(
            help="How its inputs are scaled: bytes (0 to 255), unit (0 to 1), symmetric (-1 to 1), standard (the "
            "training split's mean and deviation); data.normalize={mean: [...], std: [...]} for others. Unset: bytes "
            "where the model begins with Rescaling or Normalization, else unit."
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Its weights, where MODEL has none: a .weights.h5 file.", metavar="FILE")
    ] = None,
    as_built: Annotated[
        bool, typer.Option("--as-built", help="Take a Python file's model with the weights that the file gives it.")
    ] = False,
    classes: Annotated[
        Path | None,
        typer.Option(help="Its class names in order, a line each or a JSON list: checked.", metavar="FILE"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the run folder, RUNS/NAME-N.", metavar="NAME")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="The run folder; the next free number by default.", metavar="RUN")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a run folder of a Keras model: evaluate, diagnose, export, serve and monitor it like any other.

    A file is read safely: Lambda layers and custom objects are refused. The model is measured on the validation and
    the test split, and where another scaling of the pixels suits it clearly better, that is said.

    Example: eyas import keras model.keras --data photos/; eyas import keras old.h5 --data digits --pixels unit; eyas
    import keras builder.py:build --data digits --weights w.weights.h5
    """
    from eyas.core.config import load_config

    words = [*([f"data.source={json.dumps(data)}"] if data else []), f"model=keras:{model}", *(overrides or [])]
    if name:
        words.append(f"name={json.dumps(name)}")
    if pixels:
        words.append(f"data.normalize={pixels}")
    load_config(config, words)  # what is wrong with the words is said before torch is loaded
    names = _read_classes(classes) if classes else None
    with needs_extra("train"):
        from eyas.core.runs import require_free
        from eyas.track.delivery.process import require_library

    require_free(to)
    for library in ("torch", "keras"):
        require_library(library)
    with needs_extra("train"):
        from eyas.cli.taking_in import take_in
        from eyas.data import check_dataset

    taken = take_in(words, config, weights=weights, as_built=as_built, names=names, names_from=str(classes), target=to)
    print_warnings(check_dataset(taken.config.data))
    if taken.better:
        _warn(taken.better, taken.config)
    _tell(taken, model, as_json)


def _tell(taken: Taken, model: str, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "run": str(taken.run.path),
                "parameters": taken.parameters,
                "normalize": taken.config.model_dump(mode="json")["data"]["normalize"],
                "splits": {split: found.summary() for split, found in taken.found.items()},
                "better": asdict(taken.better) if taken.better else None,
            }
        )
        return
    typer.echo(f"imported {model} ({taken.parameters:,} parameters)")
    for split, found in taken.found.items():
        low, high = found.intervals["accuracy"]
        typer.echo(f"{split}: accuracy {found.accuracy:.4f} ({low:.4f} to {high:.4f}) on {found.images:,} images")
    typer.echo(f"next: eyas evaluate {taken.run.path}   or   eyas export {taken.run.path}")


def _warn(better: BetterScaling, config: Config) -> None:
    named = better.normalize in ("bytes", "unit", "symmetric", "standard")
    option = f"--pixels {better.normalize}" if named else f"'data.normalize={better.normalize}'"
    stated: Any = config.model_dump(mode="json")["data"]["normalize"]
    typer.echo(
        f"warning: with pixels scaled as {stated} the accuracy on {better.images:,} {better.split} images is "
        f"{better.stated:.4f}; as {better.normalize} it would be {better.accuracy:.4f}; was the model trained so? "
        f"Import it again with {option}",
        err=True,
    )


def _read_classes(file: Path) -> list[str]:
    """Names in order: a JSON list, or a line each.

    Raises:
        ConfigError: no such file, or a JSON file that is no list of names.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the class names in {file}: {error}") from error
    if file.suffix != ".json":
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        names = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{file} must hold a list of class names")
    return names
