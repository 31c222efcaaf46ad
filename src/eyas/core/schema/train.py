"""The keys of `train`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from eyas.core.schema.data import is_side
from eyas.core.schema.section import Fraction, Rate, Section

Monitor = Literal[
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "val_top5",
    "val_balanced_accuracy",
    "val_macro_f1",
    "val_ece",
]


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


class MuonConfig(Section):
    """Muon for convolution kernels; AdamW, with β = 0.9 and 0.99, for the rest (shifts, scales, dense layers).

    It keeps every kernel at one norm, which changes nothing where batch norm follows (`cnn`, `resnet`).
    """

    momentum: Rate = 0.6
    """Nesterov momentum of the kernels."""
    iterations: PositiveInt = 3
    """Newton-Schulz iterations that bring a kernel's update near to an orthogonal matrix."""
    rest_learning_rate: PositiveFloat = 0.005
    """Of the AdamW for shifts and scales."""
    head_learning_rate: PositiveFloat = 0.002
    """Of the AdamW for dense layers; `train.weight_decay` is theirs."""


class DistillationConfig(Section):
    """Learn from `train.teacher` too: (1 - w) · CE(labels) + w T² · KL(teacher ‖ student), both softened by T."""

    temperature: PositiveFloat = 4.0
    """T: softens both distributions (Hinton et al. 2015)."""
    weight: Annotated[float, Field(gt=0, le=1)] = 0.9
    """w: the teacher's share of the loss."""


def _sizes(value: Any) -> Any:
    if value is None:
        return None
    try:
        stages = sorted((float(share), side) for share, side in value.items())  # JSON has written the shares as text
    except (AttributeError, TypeError, ValueError):
        stages = []
    shares, sides = [share for share, _ in stages], [side for _, side in stages]
    if shares and shares[0] == 0 and shares[-1] < 1 and all(map(is_side, sides)):
        return dict(stages)
    raise ValueError("be share of the run: side in pixels, from share 0 on, such as {0: 20, 0.4: 24, 0.7: 32}")


class TrainConfig(Section):
    """How the network learns."""

    epochs: PositiveInt = 20
    """Passes over the training split."""
    batch_size: PositiveInt = 128
    """Images a step."""
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "muon"] = "adam"
    """With Keras's defaults; Muon with those of `train.muon`."""
    learning_rate: PositiveFloat | None = None
    """Unset: 0.01 for sgd, 0.001 for the others; for muon 0.16, of the convolution kernels."""
    schedule: Schedule = "constant"
    """Of the learning rate over the run; see `eyas.train.optim.schedule`."""
    warmup_epochs: NonNegativeFloat = 0.0
    """Epochs over which the rate rises linearly from 0; `one_cycle` warms up by itself."""
    momentum: Rate = 0.0
    """For sgd and rmsprop."""
    nesterov: bool = False
    """For sgd with momentum."""
    weight_decay: NonNegativeFloat | None = None
    """Decoupled decay: w ← w - η λ w before each step. Unset: 0.004 for adamw, none for the others. Under muon it is
    that of dense layers."""
    muon: MuonConfig = MuonConfig()
    """Of `optimizer: muon`."""
    label_smoothing: Rate = 0.0
    """Share of each training label that is spread evenly over all classes; validation losses are never smoothed."""
    clip_norm: PositiveFloat | None = None
    """The gradient's largest Euclidean norm over all weights; a longer one is scaled down to it."""
    ema: Fraction | None = None
    """Share of an exponential moving average of the weights that is kept at each step, such as 0.999. The average is
    what is validated and kept as the best. `null`: the weights themselves."""
    sam: PositiveFloat | None = None
    """ρ of sharpness-aware minimisation: the gradient is taken ρ uphill of the weights (Foret et al. 2021). Two
    passes a step."""
    accumulate: PositiveInt = 1
    """Take each batch in this many parts, one after the other, in a fraction of the memory; gradients are summed."""
    image_sizes: Annotated[dict[float, int] | None, BeforeValidator(_sizes)] = None
    """Progressive resizing: share of the run: side in pixels, such as {0: 20, 0.4: 24, 0.7: 32}. Images are always
    validated at their own size."""
    start_from: str | None = None
    """A run folder whose best weights the network begins with; it must be the same network. Unset: random weights."""
    teacher: str | None = None
    """A run folder or a bundle, trained on the same classes, to learn from."""
    distillation: DistillationConfig = DistillationConfig()
    """How it is learnt from."""
    class_weight: ClassWeight = "none"
    """`balanced`: the loss of class k is weighted by N / (K · N_k). Or class: weight, 1 for those left out."""
    monitor: Monitor = "val_loss"
    """What `best.pt`, early stopping and the plateau rule look at."""
    early_stopping: EarlyStoppingConfig | None = EarlyStoppingConfig()
    """`null` switches it off. The best weights are kept either way."""
    reduce_on_plateau: PlateauConfig | None = PlateauConfig()
    """`null` switches it off; a `schedule` other than constant does so too."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the forward and backward pass. `auto`: on a CPU the faster by a short probe, remembered; on a GPU bf16
    where it has it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU where there is one."""
    compile: bool = False
    """Let torch.compile fuse the network: on a GPU, or on a CPU with a C++ compiler. Costs a minute at the start."""
    workers: PositiveInt = 1
    """Processes that share each batch, one a GPU or, on CPUs, one a share of the cores."""
    launcher: Literal["torchrun", "ray"] = "torchrun"
    """Who starts the workers. A process that torchrun itself started joins its group whatever stands here."""
    threads: PositiveInt | None = None
    """Unset: as many as the cores this process may use, or its share of them among several workers."""
    seed: NonNegativeInt = 0
    """Initial weights, order of images, dropout: the same seed on the same CPU gives the same weights."""
    checkpoint_minutes: PositiveFloat = 5.0
    """`last.pt` is written at the end of each epoch, and within a long epoch this often."""
