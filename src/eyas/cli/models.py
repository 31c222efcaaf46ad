"""`eyas models`: a repository of bundles by model and version, and which of them are live. It needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, AsJsonLines, find_bundle, print_json, tell
from eyas.core.errors import BundleError, IntegrityError, TrackingError, needs_extra, require_library

if TYPE_CHECKING:
    from eyas.bundle import Bundle, Repository

Repo = Annotated[
    Path, typer.Argument(help="The repository's folder.", metavar="REPO", autocompletion=completion.repositories)
]
Model = Annotated[str, typer.Argument(help="The model's name.", metavar="MODEL", autocompletion=completion.models)]
Version = Annotated[
    str, typer.Argument(help="One of its versions.", metavar="VERSION", autocompletion=completion.versions)
]

app = typer.Typer(
    help="Keep versions of models in a repository, and say which are live.\n\n"
    "Example: eyas models publish runs/digits-mlp-1 models --live; eyas models list models",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_models(
    repository: Repo,
    verify: Annotated[bool, typer.Option("--verify", help="Look at every file of every version.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the models, their versions, which are live, and which are damaged.

    Example: eyas models list models --verify
    """
    found = _rows(_open(repository), verify)
    if as_json:
        print_json(found)
    else:
        from eyas.core import console

        rows = [
            (one["model"], one["version"], "live" if one["live"] else "", one["created"] or "damaged") for one in found
        ]
        console.out.print(console.table("", ("model", "version", "", "created"), rows))
    if damaged := [one["damaged"] for one in found if one["damaged"]]:
        raise IntegrityError("; ".join(damaged))


@app.command()
def publish(
    bundle: Annotated[
        Path,
        typer.Argument(
            help="A bundle, or a run folder that holds one.", metavar="BUNDLE|RUN", autocompletion=completion.bundles
        ),
    ],
    repository: Repo,
    model: Annotated[
        str | None, typer.Option("--as", help="The model's name; the bundle's own by default.", metavar="MODEL")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Make it live at once.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy a bundle into a repository as one more version of a model. What is published never changes.

    With --live it must give its golden answers here first.

    Example: eyas models publish runs/digits-mlp-2 models --as digits --live
    """
    with needs_extra("serve"):
        from eyas.bundle import Repository, open_bundle

    path = find_bundle(bundle)
    if live:
        _prove(open_bundle(path))
    published = Repository(repository).publish(path, model=model, live=live)
    name, version = published.path.parent.name, published.manifest.version
    tell(
        as_json,
        {"model": name, "version": version, "live": live, "path": str(published.path)},
        f"published {name} {version}" + (" and made it live" if live else ""),
        *([] if live else [f"next: eyas models live {repository} {name} {version}"]),
    )


@app.command()
def live(repository: Repo, model: Model, version: Version, as_json: AsJson = False) -> None:
    """Make a version live, once it has given its golden answers here. A service that follows the repository takes it.

    Example: eyas models live models digits digits-mlp-2-1f3a9c07
    """
    found = _open(repository)
    _prove(found.open(model, version))
    found.set_live(model, version)
    _tell_live(as_json, model, version)


@app.command()
def rollback(repository: Repo, model: Model, as_json: AsJson = False) -> None:
    """Make the version live that was live before; once more goes back further.

    Example: eyas models rollback models digits
    """
    _tell_live(as_json, model, _open(repository).roll_back(model).version)


@app.command()
def remove(repository: Repo, model: Model, version: Version, as_json: AsJson = False) -> None:
    """Remove a version. The live one cannot be.

    Example: eyas models remove models digits digits-mlp-1-73bd30c2
    """
    _open(repository).remove(model, version)
    tell(as_json, {"model": model, "removed": version}, f"removed {model} {version}")


@app.command()
def mirror(
    repository: Repo,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="These models alone; all by default.", metavar="[MODEL]...", autocompletion=completion.models
        ),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(help="The MLflow store; MLFLOW_TRACKING_URI by default, else mlflow.db here.", metavar="URI"),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with every change until Ctrl-C.")] = False,
    as_json: AsJsonLines = False,
) -> None:
    """Tell an MLflow model registry of all versions, with their files; of the live one and the one on trial as aliases.

    The live version is `champion` there, a running rollout's `challenger`. What the registry has already is left alone.

    Example: eyas models mirror models; eyas models mirror models digits --tracking-uri http://mlflow:5000 --follow
    """
    found = _open(repository)
    for model in models or ():
        found.versions(model)  # says what there is where there is no such model
    from eyas.core import console

    require_library("mlflow")
    from eyas.track.delivery.mlflow_store import tracking_uri as default_uri
    from eyas.track.registry import Mirror, Registry
    from eyas.track.registry import follow as mirror_on

    made = Mirror(found, Registry(tracking_uri or default_uri()), models or ())
    if follow:
        say = (lambda news: print_json({"news": news}, line=True)) if as_json else typer.echo
        mirror_on(made, say, console.warn)
    done = made.once()
    lines = done.news or ["the registry has everything"]
    tell(as_json, {"news": done.news, "troubles": done.troubles}, *lines)
    if done.troubles:
        raise TrackingError("; ".join(f"{name}: {trouble}" for name, trouble in done.troubles.items()))


def _tell_live(as_json: bool, model: str, version: str) -> None:
    tell(as_json, {"model": model, "live": version}, f"{model} {version} is live")


def _open(path: Path) -> Repository:
    with needs_extra("serve"):
        from eyas.bundle import Repository, is_repository
    if not is_repository(path):
        raise BundleError(f"{path} is not a repository; `eyas models publish BUNDLE {path}` makes one")
    return Repository(path)


def _prove(bundle: Bundle) -> None:
    with needs_extra("serve"):
        from eyas.infer import Predictor

    Predictor(bundle).verify_golden()


def _rows(repository: Repository, verify: bool) -> list[dict[str, Any]]:
    """One for each version. Of one that is damaged, as far as was looked, `created` is None and `damaged` says how."""
    from eyas.bundle.folder import read_manifest

    rows = []
    for model in repository.models():
        live = repository.live(model)
        for version in repository.versions(model):
            created = damaged = None
            try:
                folder = repository.folder(model, version)
                created = (repository.open(model, version).manifest if verify else read_manifest(folder)).created
            except BundleError as error:
                damaged = str(error)
            is_live = live is not None and live.version == version
            rows.append({"model": model, "version": version, "live": is_live, "created": created, "damaged": damaged})
    return rows
