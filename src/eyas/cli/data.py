"""`eyas data`: check, import, fetch and preview."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, ConfigFile, DataWords, print_json, read_words, require_new, tell
from eyas.core.errors import ConfigError, DataError, needs_extra

if TYPE_CHECKING:
    from eyas.api.exploring import Explored
    from eyas.core.schema import AugmentConfig, DataConfig
    from eyas.data import CheckReport, Dataset

MOST_CLASSES = 20
MOST_SIZES = 5
MOST_JUDGED = 10

app = typer.Typer(
    help="Check, import, fetch and preview images.\n\nExample: eyas data check photos/",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def check(
    words: DataWords = None,
    config: ConfigFile = None,
    html: Annotated[
        Path | None, typer.Option(help="A page with pictures; its JSON goes beside it.", metavar="FILE.html|DIR")
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Suspect labels by cross-validation; it trains one network a fold.")
    ] = False,
    folds: Annotated[int, typer.Option(help="Of --labels.", metavar="K")] = 5,
    fix: Annotated[
        Path | None, typer.Option(help="Write removals and relabels to use as data.fixes=FILE.", metavar="FILE.yaml")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is in a dataset and what is wrong with it, near-duplicates included.

    The exit code is 3 where training would be spoilt. --labels trains the network of the configuration.

    Example: eyas data check photos/ --html look.html --labels --fix fixes.yaml
    """
    with needs_extra("train"):
        from eyas.data import look_closely, propose_fixes, write_fixes
        from eyas.data.fixes import plain

        if labels:  # with torch
            from eyas.api.exploring import explore
        if html:  # with matplotlib
            from eyas.report import write_data_page

    _, settings = read_words(words, config)
    if fix and settings.data.fixes:
        raise ConfigError(f"--fix proposes for the data as they are; leave data.fixes={settings.data.fixes} out")
    if fix:
        require_new(fix)
    overview = look_closely(settings.data)
    found = explore(settings, overview, folds) if labels else None
    if as_json:
        print_json(overview.report.to_json() | ({"labels": found.to_json()} if found else {}))
    else:
        print_report(overview.report)
        if found:
            print_labels(found)
    if html:
        page = write_data_page(html, overview, *(found.judged, found.rows) if found else ())
        typer.echo(f"page: {page}, with {page.with_suffix('.json').name} beside it", err=as_json)
    if fix:
        if set(overview.splits) != {"train", "val", "test"}:
            raise DataError("fixes are for data that can be split; mend what the check names first")
        fixes = propose_fixes(overview, found.relabels() if found else ())
        write_fixes(fixes, fix)
        counts = plain(fixes)
        typer.echo(
            f"fixes: {fix}: {sum(counts['remove'].values()):,} images to leave out, {counts['relabel']:,} to relabel; "
            f"{counts['test_near_duplicates']:,} test images not in the clean test\n"
            f"next: look through it, then eyas train … data.fixes={fix}",
            err=as_json,
        )
    overview.report.require_sound(force=settings.data.force)


@app.command(name="import")
def import_(words: DataWords = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Decode a dataset once, so that every later command opens it in an instant.

    Example: eyas data import photos/ data.image_size=64
    """
    with needs_extra("train"):
        from eyas.core import console
        from eyas.data import open_dataset

    _, settings = read_words(words, config)
    started = perf_counter()
    dataset = open_dataset(settings.data)
    seconds = perf_counter() - started
    counts = {split.name: len(split) for split in dataset.splits}
    if as_json:
        print_json(
            {
                "name": dataset.name,
                "classes": list(dataset.classes),
                "shape": list(dataset.policy.shape),
                "images": counts,
                "fingerprint": dataset.fingerprint,
            }
        )
        return
    rows = [
        ("classes", len(dataset.classes)),
        ("image", "×".join(map(str, dataset.policy.shape))),
        *((name, f"{count:,}") for name, count in counts.items()),
        ("fingerprint", dataset.fingerprint[:16] + "…"),
        ("opened in", f"{seconds:.2f} s"),
    ]
    console.out.print(console.table(dataset.name, ("what", "value"), rows))


@app.command()
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="mnist, fashion-mnist, cifar10, cifar100, kaggle:owner/name.", autocompletion=completion.fetchable
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Download a named dataset, whole and checked; a broken download goes on where it stopped.

    Example: eyas data fetch cifar100
    """
    with needs_extra("train"):
        from eyas.data import fetch as download

    path = download(name)
    tell(as_json, {"name": name, "path": str(path)}, f"{name} lies in {path}")


@app.command()
def preview(
    words: DataWords = None,
    config: ConfigFile = None,
    out: Annotated[
        Path, typer.Option(help="The picture; its JSON goes beside it, as .json.", metavar="FILE.png")
    ] = Path("preview.png"),
    as_json: AsJson = False,
) -> None:
    """Draw some training images as the network will see them: the original, then seven epochs.

    Example: eyas data preview digits augment.crop=1 augment.mixup=0.2 --out preview.png
    """
    if out.suffix.lower() != ".png":
        raise ConfigError(f"--out must end with .png, got {out}")
    with needs_extra("train"):
        from eyas.core import io
        from eyas.data import open_dataset
        from eyas.report import draw_preview
        from eyas.train.augment import make_preview

    _, settings = read_words(words, config)
    dataset = open_dataset(settings.data)
    made = make_preview(settings.augment, dataset, settings.train.seed)
    title = f"{dataset.name}: {_changed(settings.augment) or 'augment is all off'}"
    draw_preview(made.originals, made.variants, made.names, made.mixtures, out, title)
    described = {"data": dataset.name, "augment": settings.augment.model_dump(mode="json"), "images": made.to_json()}
    io.write_json(out.with_suffix(".json"), described)
    if as_json:
        print_json({"picture": str(out), **described})
        return
    if not _changed(settings.augment):
        typer.echo(
            "augment is all off: every variant is the original; try augment.flip=random augment.crop=1", err=True
        )
    typer.echo(f"wrote {out} and {out.with_suffix('.json').name}")


def _changed(augment: AugmentConfig) -> str:
    """The keys that differ from their defaults, as `key=value`."""
    return " ".join(f"{key}={value}" for key, value in augment.model_dump(exclude_defaults=True).items())


def open_sound(data: DataConfig, *, quiet: bool = False) -> Dataset:
    """Open data that are to be trained on; warnings go to standard error, unless `quiet`.

    Raises:
        ConfigError: as `open_dataset`.
        DataError: they cannot be opened, or would spoil training.
    """
    from eyas.data import open_dataset

    dataset = open_dataset(data)
    report = dataset.require_sound()
    if not quiet:
        print_warnings(report)
    return dataset


def print_warnings(report: CheckReport) -> None:
    """What is wrong but spoils nothing, a line each on standard error."""
    from eyas.core import console

    for line in report.warnings:
        console.warn(line)


def print_report(report: CheckReport) -> None:
    """The report's tables on standard output."""
    from eyas.core import console

    counts = report.count_rows()
    shown = counts if len(counts) <= MOST_CLASSES else counts[: MOST_CLASSES // 2] + counts[-MOST_CLASSES // 2 :]
    title = f"{report.name}: {len(counts)} classes" + ("" if shown is counts else f", {len(shown)} of them")
    console.out.print(console.table(title, ("class", *report.counts, "all"), shown))
    described = [("size", size, f"{images:,}") for size, images in list(report.sizes.items())[:MOST_SIZES]]
    described += [("colour", mode, f"{images:,}") for mode, images in report.modes.items() if images]
    console.out.print(console.table("images", ("what", "value", "images"), described))
    for severity, code, message, examples in report.finding_rows():
        typer.echo(f"{severity}: {message} [{code}]" + (f"\n    such as {examples}" if examples else ""))
    if not report.findings:
        typer.echo("no corrupt files, no duplicates, no image in two splits, no rare class")


def print_labels(found: Explored) -> None:
    """The first suspects, the hardest classes and the commonest confusions on standard output."""
    from eyas.core import console

    judged = found.judged
    suspects = [
        (found.names[found.rows[one.position]], one.given, one.suggested, f"{one.suggested_probability:.3f}")
        for one in judged.suspects[:MOST_JUDGED]
    ]
    title = f"{len(judged.suspects):,} of {judged.images:,} labels suspected" + (
        f", the likeliest {MOST_JUDGED}" if len(judged.suspects) > MOST_JUDGED else ""
    )
    console.out.print(console.table(title, ("image", "label", "suggested", "probability"), suspects))
    hardest = [
        (one.name, one.images, f"{one.recall:.3f}", f"{one.precision:.3f}", f"{one.f1:.3f}")
        for one in judged.classes[:MOST_JUDGED]
    ]
    title = f"hardest classes, out of sample (accuracy {judged.accuracy:.4f})"
    console.out.print(console.table(title, ("class", "images", "recall", "precision", "F1"), hardest))
    confused = [
        (pair.true, pair.predicted, f"{pair.images:,}", f"{pair.share:.1%}") for pair in judged.confusions[:MOST_JUDGED]
    ]
    columns = ("label", "taken for", "images", "of the class")
    console.out.print(console.table("most confused", columns, confused))
