"""The processes that share each batch: one alone, or a group that a launcher started."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from eyas.core.errors import ConfigError
from eyas.core.machine import usable_cores
from eyas.nn import Network


class Workers:
    """One process, which does it all."""

    rank = 0
    count = 1
    local_count = 1
    """On this machine."""

    @property
    def main(self) -> bool:
        """Whether this process writes the run folder and calls the callbacks."""
        return self.rank == 0

    def device(self, kind: str) -> torch.device:
        """The device of this process: `cpu` or `cuda`."""
        return torch.device(kind)

    def threads(self) -> int:
        """This process's share of the cores."""
        return max(1, usable_cores() // self.local_count)

    def shard(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """This process's part of some rows, in rank order; every process gets as many or one fewer."""
        return np.array_split(rows, self.count)[self.rank]

    def shared(self, network: Network) -> Callable[[Tensor], Tensor]:
        """The forward pass after which gradients are the mean over all processes."""
        return network

    def all_reduce(self, sums: Tensor) -> Tensor:
        """Added up over all processes."""
        return sums

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, whether it is up in any process."""
        return list(flags)

    def all_gather(self, rows: Tensor) -> Tensor:
        """The parts of all processes, (n, K) each, one after the other in rank order."""
        return rows

    def broadcast(self, word: str) -> str:
        """What the main process says, in every process."""
        return word

    def same_buffers(self, network: nn.Module) -> None:
        """Give every process the main one's running statistics: each has followed its own part of the batches."""


class Group(Workers):
    """One of several processes, joined by torch.distributed: gloo on CPUs, NCCL on GPUs."""

    def __init__(self, kind: str) -> None:
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()
        self.local_rank = int(os.environ.get("LOCAL_RANK", self.rank))
        self.local_count = int(os.environ.get("LOCAL_WORLD_SIZE", self.count))
        self._device = torch.device("cpu")
        if kind == "cuda":
            if self.local_count > torch.cuda.device_count():
                raise ConfigError(
                    f"train.workers on one machine must be at most its {torch.cuda.device_count()} GPUs, got "
                    f"{self.local_count}; train.device=cpu shares the cores instead"
                )
            self._device = torch.device("cuda", self.local_rank)
            torch.cuda.set_device(self._device)

    def device(self, kind: str) -> torch.device:
        """On GPU machines the process's own."""
        return self._device

    def shared(self, network: Network) -> Callable[[Tensor], Tensor]:
        """Gradients travel while the backward pass still runs."""
        devices = [self._device.index] if self._device.type == "cuda" else None
        wrapped: Callable[[Tensor], Tensor] = torch.nn.parallel.DistributedDataParallel(network, devices)
        return wrapped

    def all_reduce(self, sums: Tensor) -> Tensor:
        """In place."""
        distributed.all_reduce(sums)
        return sums

    def any(self, *flags: bool) -> list[bool]:
        """One exchange for all flags."""
        raised = torch.tensor(flags, dtype=torch.uint8, device=self._device)
        distributed.all_reduce(raised, distributed.ReduceOp.MAX)
        return [bool(flag) for flag in raised.tolist()]

    def all_gather(self, rows: Tensor) -> Tensor:
        """Parts of unequal length are padded on their way."""
        counts = [torch.zeros((), dtype=torch.int64, device=self._device) for _ in range(self.count)]
        distributed.all_gather(counts, torch.tensor(len(rows), device=self._device))
        longest = max(int(count) for count in counts)
        padded = torch.zeros(longest, *rows.shape[1:], dtype=rows.dtype, device=self._device)
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.count)]
        distributed.all_gather(parts, padded)
        return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])

    def broadcast(self, word: str) -> str:
        """By rank 0."""
        words = [word]
        distributed.broadcast_object_list(words, 0, device=self._device)
        return words[0]

    def same_buffers(self, network: nn.Module) -> None:
        """Buffer by buffer."""
        for buffer in network.buffers():
            distributed.broadcast(buffer, 0)


def join(asked: int, kind: str) -> Workers:
    """The group that torchrun or Ray has started this process in; alone where there is none.

    Args:
        asked: `train.workers`; a launcher's own number of processes stands above it.
        kind: `cpu` or `cuda`.

    Raises:
        ConfigError: several workers are asked for, and nothing has started them.
    """
    if distributed.is_available() and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if not distributed.is_initialized():
            _meet("nccl" if kind == "cuda" else "gloo")
        return Group(kind)
    if asked > 1:
        raise ConfigError(
            f"train.workers={asked} needs processes that a launcher started: eyas train, torchrun, or "
            "eyas.train.launch; got this process alone"
        )
    return Workers()


def _meet(backend: str) -> None:
    """Find the other workers through the launcher's store.

    The store outlives the workers, and in it lie the addresses of those that a worker's death has ended: without a part
    of its own for each restart, a new worker may read one, and wait for the dead.
    """
    store, rank, size = next(rendezvous("env://"))
    restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    own = PrefixStore(f"restart-{restart}", store)
    distributed.init_process_group(backend, store=own, rank=rank, world_size=size)


def in_group() -> bool:
    """Whether a launcher started this process as one of several; known before anything is joined."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def is_main() -> bool:
    """Whether this process speaks for its group."""
    return int(os.environ.get("RANK", "0")) == 0
