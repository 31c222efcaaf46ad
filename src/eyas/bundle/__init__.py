"""The bundle: the only thing that the learning half and the serving half both know."""

from eyas.bundle.folder import Bundle, Golden, open_bundle, write_bundle
from eyas.bundle.manifest import Conformal, DatasetInfo, InputSpec, Manifest, Parity
from eyas.bundle.repository import Live, Repository, is_repository

__all__ = [
    "Bundle",
    "Conformal",
    "DatasetInfo",
    "Golden",
    "InputSpec",
    "Live",
    "Manifest",
    "Parity",
    "Repository",
    "is_repository",
    "open_bundle",
    "write_bundle",
]
