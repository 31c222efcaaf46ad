"""Every configuration key, its type, its default and what it does: the one place for defaults.

`eyas init` writes this schema out as a commented `eyas.yaml`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
)


def _image_size(value: Any) -> Any:
    if (
        value is None
        or _side(value)
        or (isinstance(value, list | tuple) and len(value) == 2 and all(map(_side, value)))
    ):
        return value
    raise ValueError("be a positive number of pixels, or [height, width]")


def _side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


ImageSize = Annotated[int | tuple[int, int] | None, BeforeValidator(_image_size)]
# Pillow refuses more than twice its MAX_IMAGE_PIXELS whatever eyas says.
PixelLimit = Annotated[int, Field(gt=0, le=178_956_970)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A part of the configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


Normalize = Literal["standard", "unit"]


class DataConfig(Section):
    """Which images, at what size, and how they are split."""

    source: str | None = None
    """A folder, an archive, an .npz, a CSV or Parquet table, `digits`, `mnist`, `fashion-mnist`, `cifar10`,
    `cifar100`, or `kaggle:owner/name`."""
    image_size: ImageSize = None
    """Pixels: one side, or [height, width]. Unset: the images' own size, which must then be one and the same."""
    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for RGB. Unset: 1 where every image is grey, else 3."""
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    """How an image of another shape becomes `image_size`."""
    normalize: Normalize = "standard"
    """`standard`: subtract the training split's mean and divide by its deviation, by channel; `unit`: [0, 1]."""
    val_fraction: Fraction = 0.1
    """Carved from what the test split left of the training images, where the source has no validation split."""
    test_fraction: Fraction = 0.1
    """Carved from the training images, where the source has no test split."""
    seed: NonNegativeInt = 0
    """Decides the splits; not the training, which has its own."""
    max_pixels: PixelLimit = 50_000_000
    """An image with more pixels is refused by its header, before it is decoded."""
    force: bool = False
    """Train even where the check of the data says that it would be spoilt."""


Activation = Literal["relu", "gelu", "silu", "tanh", "elu", "leaky_relu"]


class MLPConfig(Section):
    """Dense layers on the flattened image."""

    name: Literal["mlp"] = "mlp"
    """`mlp`, `cnn`, or `path/to/file.py:function` for a network of your own."""
    hidden: tuple[PositiveInt, ...] = (512,)
    """Width of each hidden layer."""
    activation: Activation = "relu"
    """Between the layers."""
    dropout: Rate = 0.2
    """After every hidden layer, so also before the output."""
    input_dropout: Rate = 0.0
    """After the input."""
    batch_norm: bool = False
    """Between each dense layer's activation and its dropout."""
    batch_norm_momentum: Rate = 0.99
    """Share of the running statistics kept at each step (Keras's convention)."""
    l2: NonNegativeFloat = 0.0
    """Adds l2 · Σ w² over the hidden dense kernels to the loss (Keras's `kernel_regularizer` on them)."""


class CNNConfig(Section):
    """Blocks of convolution, batch norm, activation, pooling and dropout, then dense layers."""

    name: Literal["cnn"] = "cnn"
    """`mlp`, `cnn`, or `path/to/file.py:function` for a network of your own."""
    filters: tuple[PositiveInt, ...] = (32, 64, 128, 256)
    """Filters of each 3×3 block. A block pools by 2 while its input is at least 2 pixels a side."""
    dense: tuple[PositiveInt, ...] = (512, 256)
    """Width of each dense layer before the output."""
    activation: Activation = "relu"
    """After each batch norm."""
    dropout: Rate = 0.25
    """After every block's pooling."""
    dense_dropout: Rate = 0.5
    """After every dense layer."""
    batch_norm_momentum: Rate = 0.99
    """Share of the running statistics kept at each step (Keras's convention)."""
    l2: NonNegativeFloat = 0.0
    """Adds l2 · Σ w² over the hidden dense kernels to the loss (Keras's `kernel_regularizer` on them)."""


def _reference(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r".+\.py:[A-Za-z_]\w*", value):
        return value
    raise ValueError("be mlp, cnn, or path/to/file.py:function")


class CustomConfig(Section):
    """A network of the user's own: a function that returns a `torch.nn.Module`."""

    name: Annotated[str, BeforeValidator(_reference)]
    """`path/to/file.py:function`; called as function(input_shape=(H, W, C), classes=K, **options)."""
    options: dict[str, Any] = {}
    """Keyword arguments for the function."""
    l2: NonNegativeFloat = 0.0
    """Adds l2 · Σ w² over the hidden dense kernels to the loss (Keras's `kernel_regularizer` on them)."""


ARCHITECTURES = ("mlp", "cnn", "custom")


def _name_alone(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _architecture(value: Any) -> str:
    name = value.get("name", "mlp") if isinstance(value, dict) else getattr(value, "name", "mlp")
    return name if name in ARCHITECTURES else "custom"


ModelConfig = Annotated[
    Annotated[MLPConfig, Tag("mlp")] | Annotated[CNNConfig, Tag("cnn")] | Annotated[CustomConfig, Tag("custom")],
    Discriminator(_architecture),
    BeforeValidator(_name_alone),
]


Monitor = Literal["loss", "accuracy", "val_loss", "val_accuracy"]


class EarlyStoppingConfig(Section):
    """Stop where the monitored value no longer improves."""

    patience: PositiveInt = 10
    """Epochs without an improvement before training stops."""
    min_delta: NonNegativeFloat = 0.0
    """A smaller change is no improvement."""


class PlateauConfig(Section):
    """Lower the learning rate where the monitored value no longer improves.

    Keras waits 10 epochs, as long as early stopping does here, and so would never act; hence 5.
    """

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """The rate is multiplied by this."""
    patience: PositiveInt = 5
    """Epochs without an improvement before it is."""
    min_learning_rate: NonNegativeFloat = 1e-6
    """Never below this."""


Schedule = Literal["constant", "cosine", "triangular", "one_cycle"]


def _class_weight(value: Any) -> Any:
    if value in ("none", "balanced"):
        return value
    if isinstance(value, dict) and all(isinstance(w, int | float) and w > 0 for w in value.values()):
        return {str(name): weight for name, weight in value.items()}  # YAML reads the class `8` as a number
    raise ValueError("be none, balanced, or class: positive weight")


ClassWeight = Annotated[Literal["none", "balanced"] | dict[str, float], BeforeValidator(_class_weight)]


class TrainConfig(Section):
    """How the network learns."""

    epochs: PositiveInt = 20
    """Passes over the training split."""
    batch_size: PositiveInt = 128
    """Images a step."""
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    """With Keras's defaults."""
    learning_rate: PositiveFloat | None = None
    """Unset: 0.01 for sgd, 0.001 for the others."""
    schedule: Schedule = "constant"
    """Of the learning rate over the run; see `eyas.train.schedule`."""
    warmup_epochs: NonNegativeFloat = 0.0
    """Epochs over which the rate rises linearly from 0; `one_cycle` warms up by itself."""
    momentum: Rate = 0.0
    """For sgd and rmsprop."""
    nesterov: bool = False
    """For sgd with momentum."""
    weight_decay: NonNegativeFloat | None = None
    """Decoupled decay of adamw. Unset: 0.004."""
    label_smoothing: Rate = 0.0
    """Share of each training label that is spread evenly over all classes; validation losses are never smoothed."""
    clip_norm: PositiveFloat | None = None
    """The gradient's largest Euclidean norm over all weights; a longer one is scaled down to it."""
    class_weight: ClassWeight = "none"
    """`balanced`: the loss of class k is weighted by N / (K · N_k). Or class: weight, 1 for those left out."""
    monitor: Monitor = "val_loss"
    """What `best.pt`, early stopping and the plateau rule look at."""
    early_stopping: EarlyStoppingConfig | None = EarlyStoppingConfig()
    """`null` switches it off. The best weights are kept either way."""
    reduce_on_plateau: PlateauConfig | None = PlateauConfig()
    """`null` switches it off."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the forward and backward pass. `auto`: on a CPU the faster by a short probe, remembered; on a GPU bf16
    where it has it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU where there is one."""
    threads: PositiveInt | None = None
    """Unset: as many as the cores this process may use."""
    seed: NonNegativeInt = 0
    """Initial weights, order of images, dropout: the same seed on the same CPU gives the same weights."""
    checkpoint_minutes: PositiveFloat = 5.0
    """`last.pt` is written at the end of each epoch, and within a long epoch this often."""


class ExportConfig(Section):
    """How a run becomes a bundle."""

    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")] | None = None
    """The bundle's version. Unset: the run's name and the first 8 digits of the graph's hash."""
    tolerance: PositiveFloat = 1e-4
    """Largest difference between PyTorch and ONNX Runtime over the test split, in any output."""
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of answers whose conformal set is to hold the true class."""


class ServeConfig(Section):
    """The prediction service."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=1, le=65535)] = 5000
    """Port to listen on."""
    max_body_mb: PositiveFloat = 32.0
    """A larger request body is refused while it is read (413)."""
    max_images: PositiveInt = 256
    """Images in one request, at most."""
    max_pixels: PixelLimit = 25_000_000
    """Pixels in one request's image files, in all; more are refused by their headers, before they are decoded."""
    threads: PositiveInt | None = None
    """For ONNX Runtime. Unset: as many as the cores this process may use."""


class Config(Section):
    """The whole of `eyas.yaml`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None = None
    """Of the run folder, `<runs_dir>/<name>-<n>`. Unset: data and model."""
    runs_dir: str = "runs"
    """Where run folders go."""
    data: DataConfig = DataConfig()
    model: ModelConfig = MLPConfig()
    train: TrainConfig = TrainConfig()
    export: ExportConfig = ExportConfig()
    serve: ServeConfig = ServeConfig()
