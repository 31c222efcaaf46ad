"""`eyas import keras`: a Keras model becomes a run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli.data import print_warnings
from eyas.cli.import_graph import Force
from eyas.cli.words import SCALINGS_HELP, AsJson, ConfigFile, Overrides, RunTarget, next_of_run, print_json
from eyas.core.errors import ConfigError, needs_extra, require_library

if TYPE_CHECKING:
    from eyas.api.taking_in import Taken


def import_keras(
    model: Annotated[
        str,
        typer.Argument(help="model.keras, model.h5, architecture.json or builder.py:build.", metavar="MODEL"),
    ],
    overrides: Overrides = None,
    data: Annotated[
        str | None, typer.Option("--data", "-d", help="The images that it is for; data.source.", metavar="DATA")
    ] = None,
    scaling: Annotated[
        str | None,
        typer.Option(
            help=f"How the model reads pixels: {SCALINGS_HELP}, or standard (the training split's mean and deviation); "
            "for others data.normalize={mean: [...], std: [...]}. Unset: bytes where the model begins with Rescaling "
            "or Normalization, else unit."
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
    to: RunTarget = None,
    config: ConfigFile = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a run folder of a Keras model: evaluate, diagnose, export, serve and monitor it like any other.

    A file is read safely: Lambda layers and custom objects are refused. The model is measured on the validation and
    the test split. Where another scaling of its pixels is clearly better, the import is refused and names it.

    Example: eyas import keras model.keras --data photos/; eyas import keras old.h5 --data digits --scaling unit; eyas
    import keras builder.py:build --data digits --weights w.weights.h5
    """
    from eyas.core import console
    from eyas.core.config import load_config
    from eyas.core.scalings import SCALINGS

    words = [*([f"data.source={json.dumps(data)}"] if data else []), f"model=keras:{model}", *(overrides or [])]
    if name:
        words.append(f"name={json.dumps(name)}")
    if scaling and scaling not in (*SCALINGS, "standard"):
        raise ConfigError(f"--scaling must be one of {', '.join(SCALINGS)}, standard; got {scaling}")
    load_config(config, words)  # what is wrong with the words is said before torch is loaded
    from eyas.core.runs import require_free

    require_free(to)
    for library in ("torch", "keras"):
        require_library(library)
    with needs_extra("train"):
        from eyas.api.taking_in import take_in
        from eyas.foreign import read_classes

    taken = take_in(
        words,
        config,
        scaling=scaling,
        weights=weights,
        as_built=as_built,
        names=read_classes(classes) if classes else None,
        names_from=f"--classes {classes}",
        target=to,
        force=force,
    )
    print_warnings(taken.report)
    if taken.forced:
        console.warn(f"imported by force, although {taken.forced}")
    _tell(taken, model, as_json)


def _tell(taken: Taken, model: str, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "run": str(taken.run.path),
                "parameters": taken.parameters,
                "normalize": taken.config.model_dump(mode="json")["data"]["normalize"],
                "splits": {split: found.summary() for split, found in taken.found.items()},
                "forced": taken.forced,
            }
        )
        return
    typer.echo(f"imported {model} ({taken.parameters:,} parameters)")
    for split, found in taken.found.items():
        low, high = found.intervals["accuracy"]
        typer.echo(f"{split}: accuracy {found.accuracy:.4f} ({low:.4f} to {high:.4f}) on {found.images:,} images")
    typer.echo(next_of_run(taken.run.path))
