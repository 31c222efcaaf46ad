"""fp32 or bf16: on a CPU the faster of the two by a short probe, remembered; on a GPU bf16 where it has it."""

from __future__ import annotations

import copy
import statistics
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from eyas.core.machine import cpu_name
from eyas.nn import Network
from eyas.train.measured import remembered

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, Precision] = ("fp32", "bf16")

WARMUP, ROUNDS = 2, 5
# bf16 keeps 8 bits of mantissa: a smaller gain is not worth it.
GAIN = 1.1
# A processor without bf16 arithmetic emulates it, and one step of a large batch can take minutes. A first look at this
# many images tells: there bf16 takes about ten times as long, and where it is not emulated never this many times.
FEW_IMAGES, HOPELESS = 8, 2.5


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The context in which the forward pass runs."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def choose_precision(network: Network, images: Tensor, labels: Tensor) -> Precision:
    """Time training steps on copies of the network, in turn, and take bf16 where its median is `GAIN` times faster.

    Where a look at a few images shows bf16 to be hopeless, the whole batch is not tried.

    The answer is kept by processor, torch version, threads, network and batch shape, so the same
    configuration computes the same on the same machine every time. The random generators are left as they were.

    Args:
        images: one batch, (N, H, W, C) uint8, on the device.
        labels: (N,) int64.
    """
    device = images.device
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    identity = f"{cpu_name()}|{torch.__version__}|{torch.get_num_threads()}|{network}|{tuple(images.shape)}"
    choice: Precision = remembered("precision", identity, lambda: _measure(network, images, labels))["precision"]
    return choice


def _measure(network: Network, images: Tensor, labels: Tensor) -> dict[str, Any]:
    with torch.random.fork_rng(devices=[]):
        seconds = _probe(network, images[:FEW_IMAGES], labels[:FEW_IMAGES], warmup=1, rounds=1)
        if seconds["bf16"] < HOPELESS * seconds["fp32"]:
            seconds = _probe(network, images, labels, WARMUP, ROUNDS)
    precision = "bf16" if seconds["bf16"] * GAIN < seconds["fp32"] else "fp32"
    return {"precision": precision, "seconds_per_step": seconds}


def _probe(network: Network, images: Tensor, labels: Tensor, warmup: int, rounds: int) -> dict[str, float]:
    copies = {precision: copy.deepcopy(network).train() for precision in PRECISIONS}
    times: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for round_ in range(warmup + rounds):
        for precision in PRECISIONS:
            start = perf_counter()
            with autocast(images.device, precision):
                loss = cross_entropy(copies[precision](images), labels)
            torch.autograd.backward(loss)
            if round_ >= warmup:
                times[precision].append(perf_counter() - start)
            copies[precision].zero_grad()
    return {precision: statistics.median(values) for precision, values in times.items()}
