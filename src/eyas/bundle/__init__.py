"""The bundle: the only thing that the learning half and the serving half both know."""

from eyas.bundle.folder import Bundle, BundleDraft, Golden, open_bundle, signature_of, write_bundle
from eyas.bundle.manifest import (
    Conformal,
    DatasetInfo,
    Imported,
    InputSpec,
    Latency,
    Manifest,
    Parity,
    Precision,
    Quantisation,
    needs_review,
)
from eyas.bundle.repository import Live, Repository
from eyas.core.marks import is_repository

__all__ = [
    "Bundle",
    "BundleDraft",
    "Conformal",
    "DatasetInfo",
    "Golden",
    "Imported",
    "InputSpec",
    "Latency",
    "Live",
    "Manifest",
    "Parity",
    "Precision",
    "Quantisation",
    "Repository",
    "is_repository",
    "needs_review",
    "open_bundle",
    "signature_of",
    "write_bundle",
]
