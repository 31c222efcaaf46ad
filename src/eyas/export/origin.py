"""What a bundle is made from: the run's best network, and the data that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from eyas.bundle import Parity
from eyas.core.errors import BundleError
from eyas.core.runs import RunFolder
from eyas.core.schema import ModelConfig, PretrainedConfig
from eyas.data import Dataset, Split
from eyas.evaluate import fit_temperature, softmax
from eyas.export.graph import OPSET, output_names, trace
from eyas.export.parity import Proof
from eyas.export.subject import Answers, Subject
from eyas.infer import Session
from eyas.infer.session import CAM, CHUNK, OUTPUTS
from eyas.nn import Network, load_network, run_in_parts, run_network


@dataclass(frozen=True)
class Origin:
    """The network, its data, and the split that parity is proved on."""

    run: RunFolder
    network: Network
    about: dict[str, Any]
    """What `best.pt` says of the network."""
    dataset: Dataset
    proof: Split
    """The test split; the validation split where there is no test split."""
    temperature: float
    """Fitted to the network's logits on the validation split."""

    def subject(self) -> Subject:
        """What the bundle tells of it."""
        config = self.run.config()
        return Subject(
            self.dataset,
            self.proof,
            name=self.run.path.name,
            architecture=_architecture(config.model),
            framework=f"PyTorch {version('torch')}, ONNX opset {OPSET}",
            parameters=self.network.trainable_parameters(),
            outputs=output_names(self.network),
            mean=tuple(self.about["mean"]),
            std=tuple(self.about["std"]),
            training=config.model_dump(mode="json"),
        )

    def trace(self, model: Path) -> Session:
        """Write the float32 graph to `model` and load it."""
        trace(self.network, self.temperature, self.dataset.policy.shape, model)
        return Session(model)

    def prove(self, session: Session, tolerance: float) -> tuple[Parity, Answers]:
        """The parity of every output of the float32 graph over the proof split.

        Returns:
            And the graph's answers, without the maps: those are too large.

        Raises:
            ParityError: the graph answers differently.
        """
        proof, parts = Proof(self.proof.name, tolerance), []
        for images, outputs in run_in_parts(self.network, self.proof, CHUNK):  # maps are K · h · w numbers an image
            expected = {
                "logits": outputs.logits,
                "probabilities": softmax(outputs.logits, self.temperature).astype(np.float32),
                "features": outputs.features,
            }
            if outputs.cam is not None:
                expected[CAM] = outputs.cam
            actual = session.run(images, tuple(expected))
            proof.add(expected, actual)
            parts.append({name: actual[name] for name in OUTPUTS})
        return proof.finish(), {name: np.concatenate([part[name] for part in parts]) for name in OUTPUTS}


def open_origin(run: RunFolder, dataset: Dataset) -> Origin:
    """The run's best network with its dataset.

    Raises:
        BundleError: there is nothing to prove parity on.
        DataError: the dataset is not the run's.
    """
    network, about = load_network(run)
    dataset.require(about["fingerprint"], run.path)
    proof = dataset.test if len(dataset.test) else dataset.val
    if not len(proof):
        raise BundleError(
            "export needs a test or validation split to prove parity on, got neither; train with data.test_fraction=0.1"
        )
    temperature = fit_temperature(run_network(network, dataset.val).logits, dataset.val.labels)
    return Origin(run, network, about, dataset, proof, temperature)


def _architecture(model: ModelConfig) -> str:
    return f"{model.name}:{model.backbone}" if isinstance(model, PretrainedConfig) else model.name
