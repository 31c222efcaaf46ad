"""The verb that searches: tune."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli import completion
from eyas.cli.data import open_sound
from eyas.cli.words import AsJson, ConfigFile, DataWords, print_json, read_words, split_words
from eyas.core.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from eyas.data import Dataset
    from eyas.tune.running import MakeExecutor, Outcome


def tune(
    words: DataWords = None,
    config: ConfigFile = None,
    trials: Annotated[
        int | None, typer.Option(help="Configurations, the baseline among them (40).", metavar="N")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Time for the search.", metavar="M")] = None,
    workers: Annotated[int | None, typer.Option(help="Trials at once; by cores.", metavar="N")] = None,
    space: Annotated[
        Path | None,
        typer.Option(
            help="A YAML file: config key: {low, high, log, step, when}, or a list of choices.", metavar="FILE"
        ),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="swarm (default), tpe, random, gp, cmaes, qmc, nsga.",
            metavar="NAME",
            autocompletion=completion.samplers,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the sampler (0).", metavar="N")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Validation value that is searched for (val_accuracy).", metavar="NAME")
    ] = None,
    rungs: Annotated[int | None, typer.Option(help="Rungs of successive halving; at most 4.", metavar="N")] = None,
    no_halving: Annotated[bool, typer.Option("--no-halving", help="Train every trial to the end.")] = False,
    seeds: Annotated[
        int | None, typer.Option(help="Seeds of the best and of the baseline at the end (3).", metavar="N")
    ] = None,
    inherit: Annotated[
        bool, typer.Option("--inherit", help="New trials begin with the weights of the best so far.")
    ] = False,
    alone: Annotated[
        bool, typer.Option("--alone", help="Train small trials alone, even where one program for several is faster.")
    ] = False,
    storage: Annotated[
        str | None,
        typer.Option(
            help="sqlite:///FILE or postgresql+psycopg://…; else EYAS_TUNE_STORAGE, else a file.", metavar="URL"
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Name in the storage; one that is there is joined.", metavar="NAME")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="Train on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT.", metavar="ADDRESS"),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with a search that was stopped.", metavar="STUDY", autocompletion=completion.studies),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search for a better configuration than yours by validation, then compare the two on the test images, once.

    Keys given as key=value keep their value; the other keys of the default space are searched.

    Example: eyas tune digits --trials 20; eyas tune photos/ --minutes 30; eyas tune --resume runs/digits-tune-1
    """
    with needs_extra("train"):
        from eyas.track.trackers import make_trackers
        from eyas.tune.beginning import SEEDS, Wishes, begin_tuning, check_wishes
        from eyas.tune.live import LiveTable
        from eyas.tune.running import tune as search
        from eyas.tune.samplers import DEFAULT
        from eyas.tune.storage import storage_url

    wishes = Wishes(
        trials=trials,
        minutes=minutes,
        workers=workers,
        sampler=sampler or DEFAULT,
        seed=seed or 0,
        space=space,
        metric=metric,
        rungs=rungs,
        halving=not no_halving,
        seeds=SEEDS if seeds is None else seeds,
        storage=storage_url(storage),
        study=study,
        inherit=inherit,
        together=not alone,
        ray=ray,
    )
    check_wishes(wishes)
    make_executor = _on_cluster(ray, workers) if ray else None
    if resume:
        named = {"--config": config, "--space": space, "--sampler": sampler, "--seed": seed, "--metric": metric}
        named |= {"--rungs": rungs, "--seeds": seeds, "--study": study}
        named |= {"--no-halving": no_halving or None, "--inherit": inherit or None, "--alone": alone or None}
        _refuse_beside_resume(words, named)
        folder, dataset = resume, _go_on(resume, trials, minutes)
    else:
        _, settings = read_words(words, config)
        make_trackers(settings.track)  # a library that is missing is named before the data are read
        dataset = open_sound(settings.data)
        fixed = [word.partition("=")[0] for word in split_words(words)[1]]
        folder = begin_tuning(settings.model_dump(mode="json", exclude_unset=True), fixed, wishes, dataset)
        typer.echo(f"searching in {folder}", err=True)
    outcome = search(folder, dataset, LiveTable(), None if ray else workers, wishes.storage, make_executor)
    if outcome is None:
        typer.echo(f"stopped; go on with: eyas tune --resume {folder}", err=as_json)
        raise typer.Exit(130)
    _print(outcome, as_json)


def _on_cluster(address: str, workers: int | None) -> MakeExecutor:
    """Join the cluster now, before anything is made."""
    from eyas.tune.executors.cluster import connect
    from eyas.tune.executors.ray import RayExecutor

    connect(address)
    return lambda runs, base: RayExecutor(runs, address, base, workers)


def _go_on(folder: Path, trials: int | None, minutes: float | None) -> Dataset:
    from eyas.tune.beginning import go_on
    from eyas.tune.plan import load_plan

    plan = load_plan(folder)
    dataset = open_sound(plan.base().data, quiet=True)
    go_on(folder, dataset, plan, trials, minutes)
    return dataset


def _refuse_beside_resume(words: list[str] | None, options: Mapping[str, object]) -> None:
    given = [*(words or []), *(name for name, value in options.items() if value is not None)]
    if given:
        raise ConfigError(f"--resume goes on with the search's own settings; leave {' and '.join(given)} out")


def _print(outcome: Outcome, as_json: bool) -> None:
    from eyas.core import console
    from eyas.tune.table import best_table, final_table

    if as_json:
        print_json({"study_folder": str(outcome.folder), **outcome.results})
        return
    console.out.print(best_table(outcome.plan, outcome.records))
    if outcome.final:
        console.out.print(final_table(outcome.final))
    typer.echo(f"{outcome.says}\n")
    typer.echo(f"results, pictures, runs and the journal: {outcome.folder}")
    typer.echo(f"next: eyas report {outcome.folder}; eyas train --config {outcome.folder}/best.yaml")
