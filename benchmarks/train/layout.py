"""Training steps on images that lie channels-last in memory, as eyas has them, against steps on channels-first ones.

    python benchmarks/train/layout.py

On one core of an AMD EPYC (Zen 5) that other work shared, 64 images of 32x32x3, torch 2.13, 7 rounds, half a minute in
all: 1.31 (fp32) and 1.56 (bf16) for the CNN, 1.21 and 1.24 for cifar100-cpu, 1.24 and 1.19 for the wide residual one.

Both sides run in one thread and are timed by its CPU time, so that other work on the machine does not count. Rounds
alternate between the two; the ratio is the median of the rounds' ratios, above 1 where channels-last is faster.
"""

import argparse
import copy
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from eyas.core.config import load_config
from eyas.nn import Network, build_network
from eyas.train.precision import PRECISIONS, Precision, autocast

CLASSES, SHAPE = 100, (32, 32, 3)
RECIPES = {"cnn": None, "resnet": Path("cifar100-cpu"), "wide_resnet": None}


class ChannelsFirst(nn.Module):
    """The scaled images copied so that each channel lies together; convolutions keep to it."""

    def __init__(self, normalise: nn.Module) -> None:
        super().__init__()
        self.normalise = normalise

    def forward(self, images: Tensor) -> Tensor:
        return self.normalise(images).contiguous()  # type: ignore[no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (options.batch, *SHAPE), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (options.batch,))
    print(f"{options.batch} images of 32x32x3, CPU time of one thread, {options.rounds} rounds")
    for name, recipe in RECIPES.items():
        config = load_config(recipe, [] if recipe else [f"model={name}"])
        network = build_network(config.model, SHAPE, CLASSES, [0.5] * 3, [0.25] * 3).train()
        first = copy.deepcopy(network)
        first.normalise = ChannelsFirst(first.normalise)
        for precision in PRECISIONS:
            compare(f"{name} {precision}", network, first, images, labels, precision, options.rounds)


def compare(
    name: str, last: Network, first: Network, images: Tensor, labels: Tensor, precision: Precision, rounds: int
) -> None:
    """One line: the medians and the ratio."""
    for network in (last, first):
        step(network, images, labels, precision)
    pairs = [(step(last, images, labels, precision), step(first, images, labels, precision)) for _ in range(rounds)]
    ours, theirs = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"{name:17s} channels-last {ours:7.1f} ms   channels-first {theirs:7.1f} ms   {ratio:5.2f}")


def step(network: Network, images: Tensor, labels: Tensor, precision: Precision) -> float:
    """CPU seconds of a forward and a backward pass."""
    started = time.thread_time()
    with autocast(images.device, precision):
        loss = cross_entropy(network(images), labels)
    torch.autograd.backward(loss)
    seconds = time.thread_time() - started
    network.zero_grad()
    return seconds


if __name__ == "__main__":
    main()
