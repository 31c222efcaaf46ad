"""`eyas backup` and `eyas restore`: what a service cannot make again, copied while it serves. They need no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyas.cli.models import Repo
from eyas.cli.words import AsJson, tell
from eyas.core.errors import needs_extra

Store = Annotated[
    str | None,
    typer.Option(help="The prediction store: its file, or postgresql://USER@HOST/DATABASE.", metavar="PATH|URL"),
]


def backup(
    repository: Repo,
    to: Annotated[Path, typer.Option("--to", help="The folder to make.", metavar="DIR")],
    store: Store = None,
    as_json: AsJson = False,
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
    then = f"eyas restore {made.path} REPO{' --store PATH' if rows else ''}"
    tell(
        as_json,
        {"wrote": str(made.path), **made.manifest.model_dump(mode="json", include={"live", "store"}), "next": then},
        f"wrote {made.path}: {versions} versions of {len(made.manifest.live)} models{kept}",
        f"next: {then}",
    )


def restore(
    backup: Annotated[Path, typer.Argument(help="A folder that `eyas backup` made.", metavar="BACKUP")],
    repository: Annotated[Path, typer.Argument(help="The repository's folder; it need not exist.", metavar="REPO")],
    store: Store = None,
    as_json: AsJson = False,
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
    live, kept = found.manifest.live, found.manifest.store
    lines = [
        f"{model} {version} is live" if version else f"{model} has no live version in {backup}"
        for model, version in live.items()
    ]
    if kept and not store:
        lines.append(f"its {kept.predictions:,} predictions were left out; --store names where they go")
    tell(as_json, {"repository": str(repository), "live": dict(live), "store": store}, *lines)
