"""timm, also beside a torchvision whose compiled operators do not load."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import torch

from eyas.core.errors import needs_extra

# What torchvision's Python half looks up while it is imported. No kernel is behind them: one that is called still says
# that torchvision's operators are missing. timm takes none of them.
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
LOOKED_UP = ("nms", "qnms")


@cache
def timm() -> ModuleType:
    """The library.

    timm imports torchvision. Its wheel from PyPI is built for CUDA: beside the CPU build of torch its operators do not
    load, and the import fails with `operator torchvision::nms does not exist`. There, and only there, the operators'
    signatures are declared first, which is all that the import looks for.

    Raises:
        MissingExtraError: it is not installed.
    """
    with needs_extra("pretrained"):
        try:
            import torchvision  # type: ignore[import-untyped]  # noqa: F401
        except RuntimeError as error:
            if "operator torchvision::" not in str(error):
                raise
            _declare()
        except ModuleNotFoundError as error:
            if error.name != "torchvision":
                raise
        import timm as library
    return library


@cache
def _declare() -> torch.library.Library:
    """Kept as long as the process: the declarations end with the object."""
    declared = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in LOOKED_UP:
        declared.define(name + SIGNATURE)  # type: ignore[no-untyped-call]
    return declared
