"""The verbs that run many trainings: compare and learning-curve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.cli import completion
from eyas.cli.data import open_sound
from eyas.cli.words import AsJson, ConfigFile, DataWords, print_json, split_words
from eyas.core.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from eyas.compare.learning import LearningCurve
    from eyas.compare.plan import Plan
    from eyas.compare.results import StudyResult
    from eyas.data import Dataset

SeedCount = Annotated[int | None, typer.Option("--seeds", help="Seeds an arm: 0, 1, 2… (3).", metavar="N")]
Jobs = Annotated[int | None, typer.Option("--jobs", help="Runs at once; by cores.", metavar="N")]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume", help="Go on with a study that was stopped.", metavar="STUDY", autocompletion=completion.studies
    ),
]
FRACTIONS = "0.0625,0.125,0.25,0.5,1"


def compare(
    words: DataWords = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="baseline, regularization, optimizers, batchnorm, all, or a YAML file with arms or a grid.",
            metavar="NAME|FILE",
            autocompletion=completion.study_names,
        ),
    ] = None,
    config: ConfigFile = None,
    seeds: SeedCount = None,
    target: Annotated[
        float | None, typer.Option(help="Validation accuracy for the speed of convergence.", metavar="ACCURACY")
    ] = None,
    jobs: Jobs = None,
    resume: Resume = None,
    as_json: AsJson = False,
) -> None:
    """Train the arms of a study for the same seeds, rank them by validation, and say what the numbers support.

    A study stands on the course's settings, or on those of --config; eyas.yaml is not read.

    Example: eyas compare digits --study optimizers; eyas compare --resume runs/digits-optimizers-1
    """
    with needs_extra("train"):
        from eyas.compare.making import plan_comparison
        from eyas.compare.running import finish_comparison

    name, given = _words(words)
    if resume:
        _refuse_beside_resume({"--study": study, "--config": config, "--seeds": seeds, "--target": target})
        folder, plan, dataset = _go_on(resume, name, given, "compare")
    elif study is None:
        raise ConfigError("name a study: --study baseline, regularization, optimizers, batchnorm, all, or a YAML file")
    else:
        plan = plan_comparison(study, given, _file_values(config), seeds, target)
        folder, dataset = _begin(plan, jobs)
    _train(folder, plan, dataset, jobs, as_json)
    results = finish_comparison(folder, plan, dataset)
    _print_results(results, folder, plan, as_json)


def learning_curve(
    words: DataWords = None,
    config: ConfigFile = None,
    fractions: Annotated[
        str | None, typer.Option(help=f"Shares of the training images ({FRACTIONS}).", metavar="SHARE,…")
    ] = None,
    seeds: SeedCount = None,
    jobs: Jobs = None,
    resume: Resume = None,
    as_json: AsJson = False,
) -> None:
    """Train on shares of the data and say how much more data would help, overall and by class.

    Example: eyas learning-curve digits train.epochs=10; eyas learning-curve --resume runs/digits-learning-curve-1
    """
    with needs_extra("train"):
        from eyas.compare.learning import finish_learning_curve
        from eyas.compare.making import plan_learning_curve

    name, given = _words(words)
    if resume:
        _refuse_beside_resume({"--config": config, "--fractions": fractions, "--seeds": seeds})
        folder, plan, dataset = _go_on(resume, name, given, "learning-curve")
    else:
        plan = plan_learning_curve(_shares(fractions or FRACTIONS), given, _file_values(config), seeds)
        folder, dataset = _begin(plan, jobs)
    _train(folder, plan, dataset, jobs, as_json)
    _print_curve(finish_learning_curve(folder, plan, dataset), folder, as_json)


def _words(words: list[str] | None) -> tuple[str | None, dict[str, Any]]:
    """The data, and the dotted settings, the data among them."""
    from eyas.core.config import parse_override

    name, overrides = split_words(words)
    given = dict(parse_override(word) for word in overrides)
    return name, given if name is None else {"data.source": name, **given}


def _file_values(file: Path | None) -> dict[str, Any] | None:
    """What a configuration file or a recipe says, without the defaults."""
    from eyas.core.config import load_config

    return load_config(file).model_dump(mode="json", exclude_unset=True) if file else None


def _begin(plan: Plan, jobs: int | None) -> tuple[Path, Dataset]:
    from eyas.compare.plan import check_plan
    from eyas.compare.running import begin_study
    from eyas.compare.schedule import process_count

    check_plan(plan)  # before the data are read
    process_count(plan.base().train, jobs)
    dataset = _open(plan, quiet=False)
    return begin_study(plan, dataset), dataset


def _go_on(folder: Path, name: str | None, given: dict[str, Any], kind: str) -> tuple[Path, Plan, Dataset]:
    from eyas.compare.plan import load_plan
    from eyas.compare.running import check_going_on

    plan = load_plan(folder)
    if plan.kind != kind:
        raise ConfigError(f"{folder} belongs to eyas {plan.kind}, not to eyas {kind}")
    dataset = _open(plan, quiet=True)
    check_going_on(folder, plan, given, dataset)
    return folder, plan, dataset


def _open(plan: Plan, *, quiet: bool) -> Dataset:
    from eyas.track.trackers import make_trackers

    settings = plan.base()
    make_trackers(settings.track)  # a library that is missing is named before the data are read
    return open_sound(settings.data, quiet=quiet)


def _train(folder: Path, plan: Plan, dataset: Dataset, jobs: int | None, as_json: bool) -> None:
    from eyas.compare.running import train_all

    if not train_all(folder, plan, dataset, jobs):
        typer.echo(f"stopped; go on with: eyas {plan.kind} --resume {folder}", err=as_json)
        raise typer.Exit(130)


def _refuse_beside_resume(options: dict[str, object]) -> None:
    if given := [name for name, value in options.items() if value is not None]:
        raise ConfigError(f"--resume goes on with the study's own settings; leave {' and '.join(given)} out")


def _shares(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--fractions must be numbers with commas between them, got {text!r}") from None


def _print_results(results: list[StudyResult], folder: Path, plan: Plan, as_json: bool) -> None:
    from eyas.compare.conclusion import conclude
    from eyas.compare.folder import full_json
    from eyas.compare.table import ranking_table, speed_table
    from eyas.core import console
    from eyas.track.trackers import where_to_look

    if as_json:
        print_json({"study": str(folder), "results": full_json(results)})
        return
    for result in results:
        console.out.print(ranking_table(result))
        console.out.print(speed_table(result))
        typer.echo(f"{conclude(result)}\n")
    for name, reason in {n: r for result in results for n, r in result.diverged.items()}.items():
        typer.echo(f"{name} diverged: {reason}", err=True)
    typer.echo(f"figures, runs and curves.png: {folder}")
    for line in where_to_look(plan.base().track, results[0].arms[0].trained.runs[0]):
        typer.echo(f"tracked: {line}")


def _print_curve(curve: LearningCurve, folder: Path, as_json: bool) -> None:
    from eyas.compare.table import gain_table, law_table
    from eyas.core import console

    if as_json:
        print_json({"study": str(folder), **curve.to_json()})
        return
    for made in (law_table(curve.overall), gain_table(curve)):
        console.out.print(made)
    typer.echo(f"{curve.conclusion}\n\nfigures, runs and learning_curve.png: {folder}")
