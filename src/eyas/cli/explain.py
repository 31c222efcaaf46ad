"""`eyas explain`: which parts of an image speak for the answer. It needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, find_bundle, print_json
from eyas.core.errors import InputError, needs_extra

if TYPE_CHECKING:
    from eyas.explain import Explanation
    from eyas.explain.asking import Pixels


def explain(
    bundle: Annotated[
        Path,
        typer.Argument(
            help="A bundle, or a run folder that holds one.", metavar="BUNDLE", autocompletion=completion.bundles
        ),
    ],
    image: Annotated[Path, typer.Argument(help="An image file.", metavar="IMAGE")],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="cam, occlusion, rise, lime or shap; may be given more than once.", autocompletion=completion.methods
        ),
    ] = None,
    label: Annotated[str | None, typer.Option("--class", help="Of the most probable class by default.")] = None,
    seconds: Annotated[float, typer.Option(help="Of each method, roughly at most.", min=0.1)] = 5.0,
    out: Annotated[Path, typer.Option(help="Folder for the pictures and arrays.", metavar="DIR")] = Path("explained"),
    seed: Annotated[int, typer.Option(help="Of what is random.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Show which parts of an image speak for a class, and whether that can be trusted.

    Each map is compared with 19 that mean nothing: one that does not beat them all is said to be no better.

    Example: eyas explain runs/cifar100-cpu-1 cat.jpg --method cam --method shap
    """
    with needs_extra("serve"):
        from eyas.bundle import open_bundle
        from eyas.explain import explain as explain_answer
        from eyas.image import read_image
        from eyas.infer import Predictor

    opened = open_bundle(find_bundle(bundle))
    index = None if label is None else _index(label, opened.classes)
    predictor = Predictor(opened)
    pixels = read_image(image, opened.policy)
    rows = []
    for name in method or ["occlusion"]:
        found = explain_answer(predictor, pixels, name, index, seconds=seconds, seed=seed)
        rows.append(_write(found, pixels, opened.classes[found.index], out / f"{image.stem}-{name}"))
    if as_json:
        print_json(rows)
        return
    from eyas.core import console

    columns = ("method", "class", "probability", "gain", "of random maps", "verdict", "picture")
    console.out.print(console.table("", columns, [_row(row) for row in rows]))


def _index(label: str, classes: tuple[str, ...]) -> int:
    if label not in classes:
        raise InputError(f"--class must be one of {', '.join(classes[:20])}{'…' * (len(classes) > 20)}, got {label}")
    return classes.index(label)


def _write(found: Explanation, pixels: Pixels, label: str, stem: Path) -> dict[str, Any]:
    """A picture and an array beside what is said of them."""
    import numpy as np

    from eyas.core import io
    from eyas.explain.picture import overlay

    stem.parent.mkdir(parents=True, exist_ok=True)
    picture, array = Path(f"{stem}.png"), Path(f"{stem}.npy")  # a name may have points of its own
    overlay(pixels, found.map).save(picture)
    np.save(array, found.map)
    measured = found.reliability
    row = {
        "method": found.method,
        "class": label,
        "probability": found.probability,
        "deletion": measured.deletion,
        "insertion": measured.insertion,
        "random": measured.random if measured.maps else None,
        "p_value": measured.p_value,
        "reliable": measured.is_reliable,
        "asked": found.asked,
        "seconds": found.seconds,
        "picture": str(picture),
        "array": str(array),
    }
    io.write_json(Path(f"{stem}.json"), row)
    return row


VERDICTS = {True: "reliable", False: "no better than chance", None: "no time to tell"}


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    random = "" if row["random"] is None else f"{row['random']:+.3f}"
    return (
        row["method"],
        row["class"],
        f"{row['probability']:.1%}",
        f"{row['insertion'] - row['deletion']:+.3f}",
        random,
        VERDICTS[row["reliable"]],
        row["picture"],
    )
