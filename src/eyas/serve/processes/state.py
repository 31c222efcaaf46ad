"""What an admin is shown of a service over a repository."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from eyas.core.errors import EyasError
from eyas.serve.schemas import AdminModel, AdminModels, AdminVersion

if TYPE_CHECKING:
    from eyas.serve.processes.changes import Changes


def state(changes: Changes) -> AdminModels:
    """Of the whole service."""
    names = {served.model for served in changes.table}
    with suppress(EyasError, OSError):  # where it cannot be read now, each model says so
        names |= {*changes.repository.models()}
    return AdminModels(
        str(changes.repository.path),
        changes.doing,
        changes.crew.states(),
        [model_state(changes, name) for name in sorted(names)],
    )


def model_state(changes: Changes, model: str) -> AdminModel:
    """Of one model."""
    served = next((one for one in changes.table if one.model == model), None)
    try:
        live, stored, trouble = changes.repository.live(model), changes.repository.versions(model), None
    except (EyasError, OSError) as error:
        live, stored, trouble = None, (), str(error)
    loaded = [one.version for one in served.versions] if served else []
    reasons = {one.version: why for one, why in changes.refused.items() if one.model == model}
    versions = [
        AdminVersion(
            version,
            stored=version in stored,
            loaded=version in loaded,
            live=served is not None and version == served.live,
            refused=reasons.get(version),
        )
        for version in dict.fromkeys([*stored, *loaded, *reasons])
    ]
    return AdminModel(
        model,
        live=served.live if served else None,
        pointer=live.version if live else None,
        since=live.since if live else None,
        by=live.by if live else None,
        before=[turn.version for turn in live.before] if live else [],
        versions=versions,
        trouble=trouble or changes.wanted.troubles.get(model),
    )
