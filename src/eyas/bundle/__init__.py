"""The bundle: the only thing that the learning half and the serving half both know."""

from eyas.bundle.folder import Bundle, BundleDraft, Golden, open_bundle, write_bundle
from eyas.bundle.manifest import (
    Conformal,
    DatasetInfo,
    InputSpec,
    Latency,
    Manifest,
    Parity,
    Precision,
    Quantisation,
)

__all__ = [
    "Bundle",
    "BundleDraft",
    "Conformal",
    "DatasetInfo",
    "Golden",
    "InputSpec",
    "Latency",
    "Manifest",
    "Parity",
    "Precision",
    "Quantisation",
    "open_bundle",
    "write_bundle",
]
