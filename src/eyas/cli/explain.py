"""`eyas explain`: which parts of an image speak for the answer. Only the methods by gradients need torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, find_bundle, print_json
from eyas.core import marks
from eyas.core.errors import BundleError, ConfigError, DataError, InputError, MissingExtraError, needs_extra

if TYPE_CHECKING:
    from eyas.core.runs import RunFolder
    from eyas.explain import Explanation
    from eyas.explain.asking import Pixels
    from eyas.image import ImagePolicy

ALL = "all"


def explain(
    model: Annotated[
        Path, typer.Argument(help="A run folder, or a bundle.", metavar="RUN|BUNDLE", autocompletion=completion.bundles)
    ],
    images: Annotated[list[str], typer.Argument(help="Image files and folders; - is standard input.", metavar="IMAGE")],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="occlusion (the default), cam, rise, lime or shap; of a run also integrated-gradients, grad-cam or "
            "gradient-shap; or all. May be given more than once: the maps are then laid side by side too.",
            autocompletion=completion.methods,
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

    Example: eyas explain runs/cifar100-cpu-1 cat.jpg --method cam --method shap; eyas explain runs/digits-mlp-1
    photos/ --method all
    """
    with needs_extra("serve"):
        from eyas.infer import load_files

    wanted = tuple(dict.fromkeys(method or ["occlusion"]))
    opened = _open(model, wanted, seconds, seed)
    index = None if label is None else _index(label, opened.classes)
    rows: list[dict[str, Any]] = []
    failed, stems = [], set[str]()
    try:
        for loaded in load_files(images, opened.policy):
            if loaded.pixels is None:
                failed.append(str(loaded.error))
                continue
            stem = out / _free(Path(loaded.file).stem.strip("-") or "image", stems)
            before = len(rows)
            _explain_one(opened, loaded.file, loaded.pixels, index, stem, rows)
            if len(rows) == before:
                failed.append(f"{loaded.file}: no method gave a map")
    finally:  # an error is no reason to keep what was found before it
        if as_json:
            print_json(rows)
        elif rows:
            _print_tables(rows)
    if failed:
        raise InputError("; ".join(failed[:3]) + f"; and {len(failed) - 3} more" * (len(failed) > 3))


@dataclass(frozen=True)
class _Opened:
    """What is explained: a bundle, or a run's network."""

    classes: tuple[str, ...]
    policy: ImagePolicy
    methods: tuple[str, ...]
    skips: bool
    """Whether a method that the model cannot be explained by is passed over, and why it was is said."""
    explain: Callable[[Pixels, str, int | None], Explanation]
    gone: set[str] = field(default_factory=set)
    """Methods that were passed over once, and would be for every image."""

    def explain_all(self, file: str, pixels: Pixels, index: int | None) -> Iterator[Explanation]:
        """One image by each method."""
        from eyas.explain import OutOfTimeError

        for name in self.methods:
            if name in self.gone:
                continue
            try:
                yield self.explain(pixels, name, index)
            except (ConfigError, DataError, InputError, MissingExtraError, OutOfTimeError) as error:
                if not self.skips:
                    raise
                of_image = isinstance(error, OutOfTimeError)  # all others are of the model
                _say_without(name, error, file if of_image else "")
                if not of_image:
                    self.gone.add(name)


def _open(path: Path, wanted: tuple[str, ...], seconds: float, seed: int) -> _Opened:
    """The bundle; or the run's network, where there is no bundle yet or a method needs gradients."""
    from eyas.bundle import open_bundle
    from eyas.core.runs import open_run
    from eyas.explain import GRADIENTS, METHODS
    from eyas.explain import explain as explain_bundle
    from eyas.infer import Predictor

    known = (*METHODS, *GRADIENTS, ALL)
    if unknown := [name for name in wanted if name not in known]:
        raise ConfigError(f"--method must be one of {', '.join(known)}, got {', '.join(unknown)}")
    bundle, is_run = find_bundle(path), marks.is_run(path)
    is_bundle = marks.is_bundle(bundle)
    methods = (*METHODS, *(GRADIENTS if is_run else ())) if ALL in wanted else wanted
    by_gradients = [name for name in methods if name in GRADIENTS]
    if not is_run and not is_bundle:
        open_run(path)  # its error lists the runs nearby
    if by_gradients and not is_run:
        raise BundleError(
            f"{', '.join(by_gradients)}: gradients are needed, and the graph in {path} has none; give the run folder "
            "that it was exported from"
        )
    if is_run and (by_gradients or not is_bundle):
        try:
            return _open_network(open_run(path), methods, ALL in wanted, seconds, seed)
        except MissingExtraError as error:
            if not is_bundle or ALL not in wanted:
                raise
            methods = METHODS
            _say_without(", ".join(by_gradients), error)
    opened = open_bundle(bundle)
    answer = partial(explain_bundle, Predictor(opened), seconds=seconds, seed=seed)
    return _Opened(opened.classes, opened.policy, methods, ALL in wanted, answer)


def _open_network(run: RunFolder, methods: tuple[str, ...], skips: bool, seconds: float, seed: int) -> _Opened:
    with needs_extra("train"):
        from eyas.attribution import NetworkPredictor, explain, load_captum
    from eyas.explain import GRADIENTS

    if set(methods) & set(GRADIENTS):
        load_captum()  # before the network is looked for: without it the bundle may do
    network = NetworkPredictor.of(run)
    answer = partial(explain, network, seconds=seconds, seed=seed)
    return _Opened(network.classes, network.policy, methods, skips, answer)


def _say_without(method: str, error: Exception, file: str = "") -> None:
    from eyas.core import console

    console.err.print(f"{file}: " * bool(file) + f"without {method}: {error}", markup=False)


def _index(label: str, classes: tuple[str, ...]) -> int:
    if label not in classes:
        raise InputError(f"--class must be one of {', '.join(classes[:20])}{'…' * (len(classes) > 20)}, got {label}")
    return classes.index(label)


def _free(stem: str, taken: set[str]) -> str:
    """Images of different folders may have the same name."""
    name = next(name for number in count(1) if (name := stem if number == 1 else f"{stem}-{number}") not in taken)
    taken.add(name)
    return name


def _explain_one(
    opened: _Opened, file: str, pixels: Pixels, index: int | None, stem: Path, rows: list[dict[str, Any]]
) -> None:
    """Write each map as it comes, and add what is said of it to `rows`; of several maps, a sheet."""
    import numpy as np

    from eyas.core import io
    from eyas.explain.picture import sheet
    from eyas.image import to_png

    found = []
    for one in opened.explain_all(file, pixels, index):
        rows.append(_write(file, pixels, one, opened.classes, f"{stem}-{one.method}"))
        found.append(one)
    if len(found) > 1:
        io.write_bytes(Path(f"{stem}-methods.png"), to_png(np.asarray(sheet(pixels, found))))


def _write(file: str, pixels: Pixels, found: Explanation, classes: tuple[str, ...], name: str) -> dict[str, Any]:
    """A map as a picture and an array beside what is said of it.

    Args:
        file: the image's.
        name: of what is written, without suffix; it may have points of its own, as Path.with_suffix would not expect.
    """
    import numpy as np

    from eyas.core import io
    from eyas.explain.picture import draw
    from eyas.image import to_png

    io.write_bytes(Path(f"{name}.png"), to_png(np.asarray(draw(pixels, found))))
    io.write_with(Path(f"{name}.npy"), lambda stream: np.save(stream, found.map))
    told = {"image": file, **_told(found, classes), "picture": f"{name}.png", "array": f"{name}.npy"}
    io.write_json(Path(f"{name}.json"), told)
    return told


def _told(found: Explanation, classes: tuple[str, ...]) -> dict[str, Any]:
    measured, sums = found.reliability, found.sums
    told = {
        "method": found.method,
        "class": classes[found.index],
        "probability": found.probability,
        "deletion": measured.deletion,
        "insertion": measured.insertion,
        "random": measured.random if measured.maps else None,
        "p_value": measured.p_value,
        "reliable": measured.is_reliable,
        "verdict": measured.verdict,
        "asked": found.asked,
        "seconds": found.seconds,
    }
    return told if sums is None else {**told, "sums": {**asdict(sums), "delta": sums.delta}}


def _print_tables(rows: list[dict[str, Any]]) -> None:
    """One for each image: its class is that of all its rows."""
    from eyas.core import console

    columns = ("method", "gain", "random", "adds up to", "verdict")
    for file, own in groupby(rows, lambda row: str(row["image"])):
        cells = list(own)
        title = f"{file}: {cells[0]['class']}, {cells[0]['probability']:.1%}"
        console.out.print(console.table(title, columns, [_cells(row) for row in cells]))
    typer.echo(f"pictures and arrays: {Path(rows[0]['picture']).parent}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    sums = row.get("sums")
    return (
        row["method"],
        f"{row['insertion'] - row['deletion']:+.3f}",
        "" if row["random"] is None else f"{row['random']:+.3f}",
        "" if sums is None else f"{sums['total']:.2f}/{sums['expected']:.2f}",
        row["verdict"],
    )
