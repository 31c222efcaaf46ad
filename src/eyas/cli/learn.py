"""The learning verbs: init, train, evaluate, export."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eyas.cli import completion
from eyas.cli.data import print_warnings
from eyas.cli.words import (
    AsJson,
    ConfigFile,
    DataWords,
    Overrides,
    RunTarget,
    next_of_bundle,
    next_of_run,
    parity_line,
    print_json,
    read_words,
    require_new,
    split_words,
    tell,
)
from eyas.core.errors import ConfigError, needs_extra, require_library
from eyas.core.marks import is_bundle

if TYPE_CHECKING:
    from eyas.bundle import Precision
    from eyas.core.schema import Config
    from eyas.evaluate import Evaluation
    from eyas.train import TrainResult

SplitName = Literal["train", "val", "test"]
RunPath = Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN", autocompletion=completion.runs)]


def init(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="The file to write (eyas.yaml), then key=value.", metavar="[FILE] [KEY=VALUE]..."),
    ] = None,
    dvc: Annotated[
        bool, typer.Option("--dvc", help="A DVC pipeline instead: dvc.yaml, and the configuration as params.yaml.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented configuration file.

    Example: eyas init; eyas init small.yaml model=cnn train.epochs=5; eyas init --dvc data.source=photos/
    """
    from eyas.core import io
    from eyas.core.config import DEFAULT_FILE, load_values
    from eyas.core.template import commented_yaml

    name, overrides = split_words(words)
    if dvc:
        _init_dvc(name, overrides, as_json)
        return
    file = Path(name) if name else DEFAULT_FILE
    require_new(file)
    io.write_text(file, commented_yaml(load_values({}, overrides, str(file))))
    then = "eyas train" if file == DEFAULT_FILE else f"eyas train --config {shlex.quote(str(file))}"
    tell(as_json, {"wrote": [str(file)], "next": then}, f"wrote {file}; change what you like, then: {then}")


def _init_dvc(name: str | None, overrides: list[str], as_json: bool) -> None:
    from eyas.core import io
    from eyas.core.config import load_values
    from eyas.core.pipeline import DVC_FILE, PARAMS_FILE, dvc_yaml
    from eyas.core.template import commented_yaml

    if name:
        raise ConfigError(f"--dvc writes {DVC_FILE} and {PARAMS_FILE}, which DVC looks for; got the name {name} too")
    for file in (DVC_FILE, PARAMS_FILE):
        if file.exists():
            raise ConfigError(f"{file} exists already and is never overwritten; move it away or work in another folder")
    config = load_values({}, overrides, str(PARAMS_FILE))
    if config.data.source is None:
        raise ConfigError("--dvc needs the data, for example: eyas init --dvc data.source=photos/")
    io.write_text(PARAMS_FILE, commented_yaml(config))
    io.write_text(DVC_FILE, dvc_yaml(config))
    begin = "" if Path(".dvc").is_dir() else "git init && dvc init && "
    then = f"{begin}dvc repro"
    wrote = [str(DVC_FILE), str(PARAMS_FILE)]
    tell(as_json, {"wrote": wrote, "next": then}, f"wrote {DVC_FILE} and {PARAMS_FILE}; then: {then}")


def train(
    words: DataWords = None,
    config: ConfigFile = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", help="Go on with a run that was stopped.", metavar="RUN", autocompletion=completion.runs
        ),
    ] = None,
    to: RunTarget = None,
    as_json: AsJson = False,
) -> None:
    """Train a network; the result is a run folder that is never overwritten.

    Example: eyas train digits model=cnn train.epochs=10; eyas train --resume runs/digits-cnn-1
    """
    if resume and config:
        raise ConfigError("--resume goes on with the run's own configuration; leave --config out")
    if resume and to:
        raise ConfigError(f"--resume goes on in its own folder; leave --to {to} out")
    settings = _run_config(resume, words) if resume else read_words(words, config)[1]
    with needs_extra("train"):
        from eyas.core.runs import require_free
        from eyas.data import open_dataset

    require_free(to)
    own = ["keras"] if settings.model.name.startswith("keras:") else []
    for library in ("torch", *own, *settings.track):  # one that is missing is named before the data are read
        require_library(library)
    dataset = open_dataset(settings.data)
    report = dataset.require_sound()  # by the survey that opening has made
    with needs_extra("train"):  # loads torch, which takes seconds: what is wrong with the words and data is said first
        from eyas.api.training import run_training
        from eyas.track.trackers import where_to_look
        from eyas.train import is_main

    if is_main():
        print_warnings(report)
    result = run_training(settings, dataset, resume, to, report=report)
    if not is_main():
        return
    _print_result(result, as_json)
    if not as_json:
        for line in where_to_look(settings.track, result.run):
            typer.echo(f"tracked: {line}")
    if not result.finished:
        raise typer.Exit(130)


def evaluate(
    path: Annotated[
        Path,
        typer.Argument(
            help="A run folder or a bundle.", metavar="RUN|BUNDLE", autocompletion=completion.runs_and_bundles
        ),
    ],
    overrides: Overrides = None,
    split: Annotated[SplitName, typer.Option(help="Which images.")] = "test",
    flip: Annotated[bool, typer.Option("--flip", help="Also average over mirror images, told apart (a run).")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the JSON and the pictures.", metavar="DIR")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a run or a bundle on one split, with intervals and pictures.

    A run's pictures go to RUN/evaluation-SPLIT; with --out they go there, and the run and its trackers are left as they
    are. A bundle's pictures go to --out. A bundle is measured on the data that it was
    trained with; data.source=… names others.

    Example: eyas evaluate runs/digits-cnn-1; eyas evaluate runs/digits-cnn-1/bundle --split val
    """
    with needs_extra("train"):
        from eyas.api.bundle_data import measure_bundle
        from eyas.core.runs import open_run
        from eyas.data import open_dataset
        from eyas.report import write_evaluation
        from eyas.track.afterwards import record_evaluation
        from eyas.train import evaluate_fully

    exported = is_bundle(path)
    record = out is None and not exported
    others: dict[str, Evaluation] = {}
    if exported:
        if flip:
            raise ConfigError("--flip is for a run: a bundle answers for the image that it is given")
        found = measure_bundle(path, overrides or [], split)
    else:
        dataset = open_dataset(_run_config(path, overrides).data)
        others = evaluate_fully(open_run(path), dataset, split, flip=flip, record=record)
        found = others.pop(split)
        out = out or path / f"evaluation-{split}"
    if out:
        write_evaluation(found, out)
    if as_json:
        print_json(found.to_json() | {name.removeprefix(f"{split}_"): one.summary() for name, one in others.items()})
    else:
        _print_evaluation(found, split, out, others.get(f"{split}_flip"), others.get(f"{split}_clean"))
    if record:
        record_evaluation(open_run(path), split, found.summary())


def export(
    run: RunPath,
    overrides: Overrides = None,
    to: Annotated[Path | None, typer.Option(help="Where it goes; in the run by default.", metavar="DIR")] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="A YAML file whose `export` section counts, not the run's.", metavar="FILE"
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Layers in int8, calibrated on validation images; to RUN/bundle-int8.")
    ] = False,
    fp16: Annotated[bool, typer.Option("--fp16", help="Layers in float16; to RUN/bundle-fp16.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a run's best network as a bundle, and prove that it answers the same.

    With --int8 or --fp16 it answers nearly the same: the accuracy lost and the speed gained are measured and told, and
    a loss above export.max_accuracy_drop is refused.

    Example: eyas export runs/digits-cnn-1; eyas export runs/digits-cnn-1 export.version=1.2.0 --to models/1.2.0; eyas
    export runs/digits-cnn-1 --int8
    """
    if int8 and fp16:
        raise ConfigError("--int8 and --fp16 make a bundle each; give one of them")
    precision: Precision | None = "int8" if int8 else "fp16" if fp16 else None
    settings = _run_config(run, overrides)
    with needs_extra("train"):
        from eyas.core.config import load_config
        from eyas.core.runs import open_run
        from eyas.data import open_dataset
        from eyas.export import export_run, in_words, quantise_run

    wanted = load_config(config, overrides or ()).export if config else settings.export
    opened, dataset = open_run(run), open_dataset(settings.data)
    if precision:
        bundle = quantise_run(opened, dataset, wanted, precision, to)
    else:
        bundle = export_run(opened, dataset, wanted, to)
    manifest = bundle.manifest
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    typer.echo(f"wrote {bundle.path} (version {manifest.version})")
    for line in in_words(manifest.quantisation) if manifest.quantisation else ():
        typer.echo(line)
    typer.echo(parity_line(manifest.parity, "parity of float32" if precision else "parity"))
    typer.echo(next_of_bundle(bundle.path))


def _run_config(run: Path, overrides: list[str] | None) -> Config:
    """The run's own configuration with this command's overrides on top."""
    from eyas.core.config import load_config
    from eyas.core.runs import open_run

    return load_config(open_run(run).config_file, overrides or ())


def _print_result(result: TrainResult, as_json: bool) -> None:
    best = result.best
    if as_json:
        print_json(
            {
                "run": str(result.run.path),
                "finished": result.finished,
                "epochs": len(result.history),
                "parameters": result.parameters,
                "precision": result.precision,
                "best": best.as_dict() if best else None,
            }
        )
        return
    seconds = sum(row.seconds for row in result.history)
    typer.echo(
        f"{'trained' if result.finished else 'stopped after'} {len(result.history)} epochs in {seconds:.1f} s "
        f"({result.parameters:,} parameters, {result.precision})"
    )
    if best and best.val_accuracy is not None:
        typer.echo(f"best epoch {best.epoch}: val_loss {best.val_loss:.4f}, val_accuracy {best.val_accuracy:.4f}")
    path = result.run.path
    if result.finished:
        typer.echo(next_of_run(path))
    else:
        typer.echo(f"go on with: eyas train --resume {path}")


def _print_evaluation(
    found: Evaluation, split: str, out: Path | None, averaged: Evaluation | None = None, clean: Evaluation | None = None
) -> None:
    from eyas.core import console

    rows = found.figures()
    if averaged:
        rows.append(("accuracy with mirror images", *averaged.figures()[0][1:]))
    if clean:
        rows.append((f"accuracy on the {clean.images:,} that training does not know", *clean.figures()[0][1:]))
    console.out.print(console.table(f"{split}: {found.images:,} images", ("metric", "value", "95 % interval"), rows))
    per_class = sorted(found.per_class(), key=lambda row: row["f1"])
    shown = per_class if len(per_class) <= 20 else per_class[:10]
    title = "by class" if len(shown) == len(per_class) else f"the {len(shown)} classes with the lowest F1"
    cells = [(r["class"], f"{r['precision']:.3f}", f"{r['recall']:.3f}", f"{r['f1']:.3f}", r["support"]) for r in shown]
    console.out.print(console.table(title, ("class", "precision", "recall", "F1", "images"), cells))
    if out:
        typer.echo(f"JSON and pictures: {out}")
