"""Whether a bundle can be served by the image that eyas builds."""

from __future__ import annotations

from pathlib import Path

from eyas.bundle import Bundle, open_bundle
from eyas.core.errors import BundleError
from eyas.deploy.opset import opset_of
from eyas.infer import Predictor

RUNTIME = "1.32.0"
"""Of the image's ONNX Runtime, as requirements.lock has it."""
OPSET = 28
"""The newest operators that it knows."""


def require_fit(path: Path) -> Bundle:
    """The bundle at `path`: whole, of operators that the image's ONNX Runtime knows, giving its golden answers here.

    Raises:
        BundleError: it is none, damaged, of another schema, of newer operators, or answers otherwise.
    """
    bundle = open_bundle(path)
    if (opset := opset_of(bundle.model)) > OPSET:
        raise BundleError(
            f"{bundle.model} must be of opset {OPSET} or older, which the image's ONNX Runtime {RUNTIME} knows, "
            f"got {opset}"
        )
    Predictor(bundle).verify_golden()
    return bundle
