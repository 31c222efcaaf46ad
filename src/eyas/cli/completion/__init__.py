"""What a shell offers for a word that is begun: runs, bundles, repositories, versions, recipes, names, keys.

Quick: only the names of files are looked at, and the schema is loaded for a key alone. A shell that is offered nothing
offers files.
"""

from eyas.cli.completion.keys import config_keys, data_words
from eyas.cli.completion.names import (
    fetchable,
    languages,
    methods,
    overlays,
    parts,
    recipes,
    samplers,
    scopes,
    study_names,
    targets,
)
from eyas.cli.completion.places import (
    bundles,
    models,
    reported,
    repositories,
    runs,
    runs_and_bundles,
    servable,
    studies,
    tracked,
    versions,
)

__all__ = [
    "bundles",
    "config_keys",
    "data_words",
    "fetchable",
    "languages",
    "methods",
    "models",
    "overlays",
    "parts",
    "recipes",
    "reported",
    "repositories",
    "runs",
    "runs_and_bundles",
    "samplers",
    "scopes",
    "servable",
    "studies",
    "study_names",
    "targets",
    "tracked",
    "versions",
]
