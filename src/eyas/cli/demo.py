"""`eyas demo`: the whole road on the built-in digits, from the check of the data to predictions over HTTP."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.core.errors import needs_extra

if TYPE_CHECKING:
    from eyas.bundle import Bundle
    from eyas.core.schema import Config
    from eyas.data import Dataset
    from eyas.train import TrainResult

DIGITS = ("data.source=digits", "train.batch_size=32", "train.epochs=15")
NETWORKS = {
    "mlp": ("model=mlp",),
    # 45 steps an epoch: running statistics that keep 99 % a step would lag behind the weights.
    "cnn": ("model=cnn", "model.batch_norm_momentum=0.9"),
}


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running until Ctrl-C.")] = False,
    runs_dir: Annotated[Path, typer.Option(help="Where the run folders go.")] = Path("runs"),
) -> None:
    """Walk the whole road on the built-in handwritten digits, in under two minutes.

    Example: eyas demo; eyas demo --keep
    """
    with needs_extra("train"):
        from eyas.core.config import load_values
        from eyas.data import open_dataset
        from eyas.export import export_run
    with needs_extra("serve"):
        from eyas.cli.local_server import local_server

    started = monotonic()
    configs = {
        name: load_values({"runs_dir": str(runs_dir)}, [*DIGITS, *words], "the demo")
        for name, words in NETWORKS.items()
    }
    _say("1  check the data")
    _check(configs["mlp"])
    dataset = open_dataset(configs["mlp"].data)

    results = {}
    for name, config in configs.items():
        _say(f"2  train: {name}")
        results[name] = _train(config, dataset)

    _say("3  evaluate on the test split")
    _evaluate(results, dataset)
    best = max(results.values(), key=_val_accuracy)  # chosen on validation, never on test

    _say(f"4  export {best.run.path} (the better on validation)")
    bundle = export_run(best.run, dataset, configs["mlp"].export)
    parity = bundle.manifest.parity
    typer.echo(
        f"parity: PyTorch and ONNX Runtime differ by {max(parity.differences.values()):.1e} at most over "
        f"{parity.images} test images, same class on {parity.agreement:.0%}"
    )

    _say("5  serve, and predict over HTTP")
    with local_server(bundle.path) as url:
        _predict(url, dataset, bundle)
        _end(results, bundle, monotonic() - started)
        if keep:
            _wait(url)


def _say(heading: str) -> None:
    from eyas.core import console

    console.out.print(f"\n[bold]{heading}[/bold]")


def _check(config: Config) -> None:
    from eyas.cli.data import print_report
    from eyas.data import check_dataset

    print_report(check_dataset(config.data))


def _train(config: Config, dataset: Dataset) -> TrainResult:
    from eyas.report import draw_curves
    from eyas.train import ProgressBar, start_run

    result = start_run(config, dataset, [ProgressBar()])
    draw_curves(result.run.history, result.run.path / "curves.png", monitor=config.train.monitor)
    typer.echo(f"{result.parameters:,} parameters, {result.precision}; best epoch {result.best and result.best.epoch}")
    return result


def _evaluate(results: dict[str, TrainResult], dataset: Dataset) -> None:
    from eyas.core import console
    from eyas.report import write_evaluation
    from eyas.train import evaluate_run

    rows = []
    for name, result in results.items():
        found = evaluate_run(result.run, dataset, "test")
        write_evaluation(found, result.run.path / "evaluation-test")
        low, high = found.intervals["accuracy"]
        rows.append(
            (
                name,
                f"{_val_accuracy(result):.4f}",
                f"{found.accuracy:.4f}",
                f"{low:.4f} to {high:.4f}",
                f"{found.macro.f1:.4f}",
                f"{sum(row.seconds for row in result.history):.1f} s",
            )
        )
    columns = ("network", "validation", "test", "95 % interval", "macro F1", "trained in")
    console.out.print(console.table(f"accuracy ({len(dataset.test)} test images)", columns, rows))


def _val_accuracy(result: TrainResult) -> float:
    return (result.best.val_accuracy if result.best else None) or 0.0


def _predict(url: str, dataset: Dataset, bundle: Bundle) -> None:
    from eyas.cli.request_forms import FORMS, get, send
    from eyas.core import console

    typer.echo(f"{url}/health answers {get(url + '/health')}")
    rows = []
    for position, (form, encode) in enumerate(FORMS.items()):
        images, labels = dataset.test.take(slice(position, position + 2)), dataset.test.labels[position : position + 2]
        request = encode(images)
        answer, milliseconds = send(url + "/predict", request)
        rows.append(
            (
                form,
                " ".join(answer["labels"]),
                " ".join(bundle.classes[label] for label in labels[: len(answer["labels"])]),
                " ".join(f"{share:.1%}" for share in answer["confidence"]),
                f"{milliseconds:.1f} ms",
            )
        )
    console.out.print(console.table("POST /predict", ("sent as", "answer", "truth", "confidence", "took"), rows))


def _end(results: dict[str, TrainResult], bundle: Bundle, seconds: float) -> None:
    from eyas.core import console

    rows = [(f"run: {name}", result.run.path) for name, result in results.items()]
    rows += [(f"pictures: {name}", result.run.path / "evaluation-test") for name, result in results.items()]
    rows += [("bundle", bundle.path), ("model card", bundle.path / "card.md")]
    console.out.print(console.table(f"\nall of it took {seconds:.0f} s; it lies here", ("what", "where"), rows))
    typer.echo("\nnext:")
    for command, what in (
        (f"eyas serve {bundle.path}", "serve it; its documentation is at /docs"),
        (f"eyas predict {bundle.path} IMAGE", "predict from the command line"),
        ("eyas init", "write a commented eyas.yaml"),
        ("eyas train PATH/TO/IMAGES model=cnn", "your own images: one folder a class"),
    ):
        typer.echo(f"  {command:<45} {what}")


def _wait(url: str) -> None:
    import signal

    typer.echo(f"\nthe server goes on at {url}; Ctrl-C ends it")
    try:
        signal.pause()
    except KeyboardInterrupt:
        typer.echo("stopped")
