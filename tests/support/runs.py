"""Run folders made by a few lines of training, for tests that need a trained network and not the training code."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from eyas.core.runs import RunFolder, create_run
from eyas.core.schema import Config, ModelConfig
from eyas.data import Dataset
from eyas.nn import Network, build_network, fit_stem, save_weights


def make_run(folder: Path, dataset: Dataset, model: ModelConfig, epochs: int = 2) -> RunFolder:
    """A finished run in `folder`: the network after some epochs of Adam on the training split."""
    network = train_network(dataset, model, epochs)
    run = create_run(Config(model=model, runs_dir=str(folder)), f"{dataset.name}-made")
    shape = dataset.policy.shape
    save_weights(
        run.best,
        network,
        epoch=epochs,
        classes=list(dataset.classes),
        input_shape=list(shape),
        mean=[0.5] * shape[-1],
        std=[0.25] * shape[-1],
        fingerprint=dataset.fingerprint,
    )
    return run


def train_network(dataset: Dataset, model: ModelConfig, epochs: int, batch: int = 64) -> Network:
    """The same for the same arguments on the same machine."""
    torch.manual_seed(0)
    channels = dataset.policy.channels
    network = build_network(model, dataset.policy.shape, len(dataset.classes), [0.5] * channels, [0.25] * channels)
    images = torch.from_numpy(dataset.train.take(slice(None)))
    labels = torch.tensor(dataset.train.labels)
    fit_stem(network, images)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch)[:-1]:  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            cross_entropy(network(images[rows]), labels[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network
