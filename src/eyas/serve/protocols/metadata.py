"""What the Open Inference Protocol tells of the server and of a model, whatever carries it: HTTP or gRPC.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

import msgspec

from eyas import __version__
from eyas.infer.session import CAM, OUTPUTS
from eyas.serve.model import Model
from eyas.serve.protocols import oip
from eyas.serve.protocols.tensors import IMAGES

EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration")
PLATFORM = "onnxruntime_onnx"
FLOATS, BOOLS = "FP32", "BOOL"
JUDGED = (oip.NEEDS_REVIEW, oip.UNKNOWN)


class ServerMetadata(msgspec.Struct):
    """What the server is."""

    name: str
    version: str
    extensions: tuple[str, ...]


class TensorMetadata(msgspec.Struct):
    """An input or output."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1 stands for any size."""


class ModelMetadata(msgspec.Struct):
    """What a model takes and gives."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


class TensorConfig(msgspec.Struct):
    """An input or output, without the batch."""

    name: str
    data_type: str
    dims: tuple[int, ...]


class ModelConfig(msgspec.Struct):
    """Triton's configuration of a model, so far as a client needs it."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: tuple[TensorConfig, ...]
    output: tuple[TensorConfig, ...]


SERVER = ServerMetadata("eyas", __version__, EXTENSIONS)


def metadata(model: Model, versions: tuple[str, ...]) -> ModelMetadata:
    """Of one model.

    Args:
        versions: that are loaded of it, the live one first.
    """
    return ModelMetadata(
        name=model.name,
        versions=versions,
        platform=PLATFORM,
        inputs=(TensorMetadata(IMAGES, "UINT8", (-1, *model.bundle.policy.shape)),),
        outputs=tuple(TensorMetadata(name, _type(name), (-1, *_dims(model, name))) for name in outputs_of(model)),
    )


def outputs_of(model: Model) -> tuple[str, ...]:
    """Names of the outputs that may be asked for."""
    maps = [CAM] if CAM in model.bundle.manifest.outputs else []
    return (*OUTPUTS, *maps, oip.NEEDS_REVIEW, *([oip.UNKNOWN] if model.tells_unknown else []))


def configuration(model: Model, most: int) -> ModelConfig:
    """Of one model.

    Args:
        most: images that a request may hold.
    """
    return ModelConfig(
        name=model.name,
        platform=PLATFORM,
        backend="onnxruntime",
        max_batch_size=most,
        input=(TensorConfig(IMAGES, "TYPE_UINT8", model.bundle.policy.shape),),
        output=tuple(TensorConfig(name, f"TYPE_{_type(name)}", _dims(model, name)) for name in outputs_of(model)),
    )


def _dims(model: Model, name: str) -> tuple[int, ...]:
    classes = len(model.bundle.classes)
    by_name = {"features": (-1,), CAM: (classes, -1, -1), oip.NEEDS_REVIEW: (1,), oip.UNKNOWN: (1,)}
    return by_name.get(name, (classes,))


def _type(name: str) -> str:
    return BOOLS if name in JUDGED else FLOATS
