"""`eyas backup` and `eyas restore`: what a service cannot make again, copied while it serves. They need no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyas.cli.models import Repo
from eyas.core.errors import needs_extra

Store = Annotated[
    str | None,
    typer.Option(help="The prediction store: its file, or postgresql://USER@HOST/DATABASE.", metavar="PATH|URL"),
]


def backup(
    repository: Repo,
    to: Annotated[Path, typer.Option("--to", help="The folder to make.", metavar="DIR")],
    store: Store = None,
) -> None:
    """Copy a repository and a prediction store while a service serves and writes; checked, and whole or not there.

    Example: eyas backup models --store monitor/predictions.db --to backups/monday
    """
    with needs_extra("serve"):
        from eyas.backup import make_backup

    made = make_backup(repository, to, store)
    versions = sum(len(made.repository.versions(model)) for model in made.repository.models())
    rows = made.manifest.store
    kept = f", {rows.predictions:,} predictions, {rows.images:,} images, {rows.feedback:,} labels" if rows else ""
    typer.echo(f"wrote {made.path}: {versions} versions of {len(made.manifest.live)} models{kept}")
    typer.echo(f"next: eyas restore {made.path} REPO{' --store PATH' if rows else ''}")


def restore(
    backup: Annotated[Path, typer.Argument(help="A folder that `eyas backup` made.", metavar="BACKUP")],
    repository: Annotated[Path, typer.Argument(help="The repository's folder; it need not exist.", metavar="REPO")],
    store: Store = None,
) -> None:
    """Bring a backup back, into an empty place or one that a service uses. What is there is not thrown away.

    Versions are added, then predictions, and last the live pointers are moved; a service that follows the repository
    takes them.

    Example: eyas restore backups/monday models --store monitor/predictions.db
    """
    with needs_extra("serve"):
        from eyas.backup import open_backup
        from eyas.backup import restore as bring_back

    found = open_backup(backup)
    bring_back(found, repository, store)
    for model, version in found.manifest.live.items():
        typer.echo(f"{model} {version} is live" if version else f"{model} has no live version in {backup}")
    if found.manifest.store and not store:
        typer.echo(f"its {found.manifest.store.predictions:,} predictions were left out; --store names where they go")
