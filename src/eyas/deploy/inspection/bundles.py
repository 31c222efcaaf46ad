"""Whether a bundle is whole, and fits the ONNX Runtime that is here."""

from __future__ import annotations

from pathlib import Path

from eyas.core.errors import EyasError, needs_extra
from eyas.deploy.fitting import open_known
from eyas.deploy.inspection.finding import Finding


def look_at_bundle(path: Path) -> Finding:
    """Its hashes and operators are checked, and it gives its golden answers."""
    what = f"bundle {path}"
    try:
        bundle = open_known(path)
        with needs_extra("serve"):
            import onnxruntime

            from eyas.infer import Predictor
        difference = Predictor(bundle).verify_golden()
    except EyasError as error:
        return Finding("yours", what, False, str(error))
    manifest = bundle.manifest
    runtime = f"ONNX Runtime {onnxruntime.__version__}"
    said = f"{manifest.name} {manifest.version} gives its golden answers within {difference:.1e} by {runtime}"
    return Finding("yours", what, True, said)
