"""Every configuration key, its type, its default and what it does: the one place for defaults.

`eyas init` writes this schema out as a commented `eyas.yaml`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from eyas.core.schema.augment import AugmentConfig
from eyas.core.schema.data import DataConfig, Normalize, Scaling
from eyas.core.schema.model import (
    ARCHITECTURES,
    Activation,
    CNNConfig,
    CustomConfig,
    KerasConfig,
    MLPConfig,
    ModelConfig,
    ResNetConfig,
    WideResNetConfig,
)
from eyas.core.schema.monitoring import MonitoringConfig
from eyas.core.schema.pretrained import PretrainedConfig
from eyas.core.schema.section import Section
from eyas.core.schema.serve import ExportConfig, ServeConfig
from eyas.core.schema.train import (
    DistillationConfig,
    EarlyStoppingConfig,
    Monitor,
    MuonConfig,
    PlateauConfig,
    Schedule,
    TrainConfig,
)
from eyas.core.schema.trust import AuthConfig, CorsConfig, RateConfig, TlsConfig

__all__ = [
    "ARCHITECTURES",
    "Activation",
    "AugmentConfig",
    "AuthConfig",
    "CNNConfig",
    "Config",
    "CorsConfig",
    "CustomConfig",
    "DataConfig",
    "DistillationConfig",
    "EarlyStoppingConfig",
    "ExportConfig",
    "KerasConfig",
    "MLPConfig",
    "ModelConfig",
    "Monitor",
    "MonitoringConfig",
    "MuonConfig",
    "Normalize",
    "PlateauConfig",
    "PretrainedConfig",
    "RateConfig",
    "ResNetConfig",
    "Scaling",
    "Schedule",
    "Section",
    "ServeConfig",
    "TlsConfig",
    "Tracker",
    "TrainConfig",
    "WideResNetConfig",
]

Tracker = Literal["tensorboard", "mlflow", "wandb"]


class Config(Section):
    """The whole of `eyas.yaml`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None = None
    """Of the run folder, `<runs_dir>/<name>-<n>`. Unset: data and model."""
    runs_dir: str = "runs"
    """Where run folders go."""
    track: tuple[Tracker, ...] = ()
    """Where training is logged as it goes: any of `tensorboard`, `mlflow`, `wandb`."""
    data: DataConfig = DataConfig()
    model: ModelConfig = MLPConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    export: ExportConfig = ExportConfig()
    serve: ServeConfig = ServeConfig()
