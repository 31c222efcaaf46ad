"""A small backbone with random weights, in a folder as the hub has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from eyas.nn.pretrained.library import timm

SIDE = 32


def write_backbone(folder: Path, architecture: str = "test_resnet", **prepared: Any) -> Path:
    """`config.json` and `model.safetensors` of one of timm's own networks for tests, for images of `SIDE` pixels."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = timm().create_model(architecture, num_classes=7)
    with torch.no_grad():
        for name, value in model.named_parameters():  # residual branches begin at 0, and would stay silent
            if value.ndim == 1 and name.endswith("weight"):
                value.fill_(1)
        for _ in range(20):  # running statistics under which signals keep their size
            model(torch.randn(16, 3, SIDE, SIDE))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors")
    about = {
        "input_size": [3, SIDE, SIDE],
        "interpolation": "bicubic",
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.25, 0.3],
        "num_classes": 7,
        "classifier": model.pretrained_cfg["classifier"],
        "first_conv": model.pretrained_cfg["first_conv"],
        **prepared,
    }
    content = {"architecture": architecture, "num_classes": 7, "pretrained_cfg": about}
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
