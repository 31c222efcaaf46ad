"""Inference requests and answers of gRPC, by way of those of HTTP: what is right there is right here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eyas.core.errors import InputError
from eyas.image import ImagePolicy
from eyas.infer import Prediction
from eyas.serve.dealing import Route
from eyas.serve.protocols import oip, tensors
from eyas.serve.rpc.messages import message

Answered = message("ModelInferResponse")
CONTENTS = {"UINT8": "uint_contents", "FP32": "fp32_contents"}


def asked(request: Any, policy: ImagePolicy, outputs: Sequence[str], most: int) -> oip.Asked:
    """A request, but for its pixels.

    Args:
        request: ModelInferRequest.
        policy, outputs, most: as of `oip.parse`.

    Raises:
        InputError: a tensor is not what the model takes or gives.
    """
    inputs = [
        oip.InputTensor(one.name, list(one.shape), one.datatype, _input_parameters(one.parameters))
        for one in request.inputs
    ]
    wanted = [oip.RequestedOutput(one.name, _output_parameters(one.parameters)) for one in request.outputs]
    tensor, outputs_wanted = oip.checked(oip.InferRequest(inputs, outputs=wanted), policy, outputs, most)
    return oip.Asked(request.id, tensor, _content(request, tensor.datatype), outputs_wanted)


def answer(asked: oip.Asked, prediction: Prediction, route: Route) -> Any:
    """ModelInferResponse, its outputs as raw contents; the parameter `prediction_id` is what feedback names it by."""
    model = route.model
    response = Answered(model_name=model.name, model_version=model.version, id=asked.id or "")
    response.parameters["prediction_id"].string_param = route.id
    for one in asked.wanted:
        values = oip.give(one, prediction, model.bundle.classes)
        response.outputs.add(name=one.name, datatype=oip.datatype_of(values), shape=values.shape)
        response.raw_output_contents.append(tensors.to_binary(values))
    return response


def _content(request: Any, datatype: str) -> memoryview:
    raw, contents = request.raw_input_contents, request.inputs[0].contents
    if raw and request.inputs[0].HasField("contents"):
        raise InputError(f"{tensors.IMAGES} must have raw_input_contents or contents, got both")
    if raw:
        if len(raw) != 1:
            raise InputError(f"raw_input_contents must hold one tensor, as inputs does, got {len(raw)}")
        return memoryview(raw[0])
    field = CONTENTS[datatype]
    values = np.array(getattr(contents, field), np.uint32 if datatype == "UINT8" else tensors.DTYPES[datatype])
    if datatype == "UINT8" and (values > 255).any():
        first = int(np.argmax(values > 255))
        raise InputError(f"{tensors.IMAGES}: {field}[{first}] must be in [0, 255], got {values[first]}")
    return memoryview(values.astype(tensors.DTYPES[datatype]).tobytes())


def _input_parameters(parameters: Any) -> oip.InputParameters:
    region = "shared_memory_region"
    return oip.InputParameters(shared_memory_region=parameters[region].string_param if region in parameters else None)


def _output_parameters(parameters: Any) -> oip.OutputParameters:
    region, count = "shared_memory_region", "classification"
    return oip.OutputParameters(
        shared_memory_region=parameters[region].string_param if region in parameters else None,
        classification=parameters[count].int64_param if count in parameters else None,
    )
