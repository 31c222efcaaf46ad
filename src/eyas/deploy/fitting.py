"""Whether a bundle can be served by the image that eyas builds."""

from __future__ import annotations

from pathlib import Path

from eyas.bundle import Bundle, open_bundle
from eyas.core.errors import BundleError, needs_extra
from eyas.deploy.opset import opset_of

RUNTIME = "1.32.0"
"""Of the image's ONNX Runtime, as requirements.lock has it."""
OPSET = 28
"""The newest operators that it knows."""


def open_known(path: Path) -> Bundle:
    """The bundle at `path`: whole, and of operators that the image's ONNX Runtime knows.

    Raises:
        BundleError: it is none, damaged, of another schema, or of newer operators.
    """
    bundle = open_bundle(path)
    if (opset := opset_of(bundle.model)) > OPSET:
        raise BundleError(
            f"{bundle.model} must be of opset {OPSET} or older, which the image's ONNX Runtime {RUNTIME} knows, "
            f"got {opset}"
        )
    return bundle


def require_fit(path: Path) -> Bundle:
    """As `open_known`; it also gives its golden answers here.

    Raises:
        BundleError: as `open_known`, or it answers otherwise.
        MissingExtraError: ONNX Runtime is not installed.
    """
    bundle = open_known(path)
    with needs_extra("serve"):
        from eyas.infer import Predictor
    Predictor(bundle).verify_golden()
    return bundle
