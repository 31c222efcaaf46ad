"""The messages of the Open Inference Protocol for protobuf, made here from their fields: no compiler is needed.

Names and numbers are the protocol's:
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto

They live in a pool of their own, so that a process may hold another copy of them, such as Triton's client's.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"
Kind = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "bool": Kind.TYPE_BOOL,
    "bytes": Kind.TYPE_BYTES,
    "double": Kind.TYPE_DOUBLE,
    "float": Kind.TYPE_FLOAT,
    "int32": Kind.TYPE_INT32,
    "int64": Kind.TYPE_INT64,
    "string": Kind.TYPE_STRING,
    "uint32": Kind.TYPE_UINT32,
    "uint64": Kind.TYPE_UINT64,
}
MODEL = {"name": (1, "string"), "version": (2, "string")}
TENSOR = {"name": (1, "string"), "datatype": (2, "string"), "shape": (3, "int64*")}
CONTENTS = {"parameters": (4, "map"), "contents": (5, "InferTensorContents")}
# Message → field → (number, type); `*`: repeated; `map`: string to InferParameter; `A.B`: B is told inside A.
FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "ServerLiveRequest": {},
    "ServerLiveResponse": {"live": (1, "bool")},
    "ServerReadyRequest": {},
    "ServerReadyResponse": {"ready": (1, "bool")},
    "ModelReadyRequest": MODEL,
    "ModelReadyResponse": {"ready": (1, "bool")},
    "ServerMetadataRequest": {},
    "ServerMetadataResponse": {"name": (1, "string"), "version": (2, "string"), "extensions": (3, "string*")},
    "ModelMetadataRequest": MODEL,
    "ModelMetadataResponse": {
        "name": (1, "string"),
        "versions": (2, "string*"),
        "platform": (3, "string"),
        "inputs": (4, "ModelMetadataResponse.TensorMetadata*"),
        "outputs": (5, "ModelMetadataResponse.TensorMetadata*"),
    },
    "ModelMetadataResponse.TensorMetadata": TENSOR,
    "InferParameter": {
        "bool_param": (1, "bool"),
        "int64_param": (2, "int64"),
        "string_param": (3, "string"),
        "double_param": (4, "double"),
        "uint64_param": (5, "uint64"),
    },
    "InferTensorContents": {
        "bool_contents": (1, "bool*"),
        "int_contents": (2, "int32*"),
        "int64_contents": (3, "int64*"),
        "uint_contents": (4, "uint32*"),
        "uint64_contents": (5, "uint64*"),
        "fp32_contents": (6, "float*"),
        "fp64_contents": (7, "double*"),
        "bytes_contents": (8, "bytes*"),
    },
    "ModelInferRequest": {
        "model_name": (1, "string"),
        "model_version": (2, "string"),
        "id": (3, "string"),
        "parameters": (4, "map"),
        "inputs": (5, "ModelInferRequest.InferInputTensor*"),
        "outputs": (6, "ModelInferRequest.InferRequestedOutputTensor*"),
        "raw_input_contents": (7, "bytes*"),
    },
    "ModelInferRequest.InferInputTensor": TENSOR | CONTENTS,
    "ModelInferRequest.InferRequestedOutputTensor": {"name": (1, "string"), "parameters": (2, "map")},
    "ModelInferResponse": {
        "model_name": (1, "string"),
        "model_version": (2, "string"),
        "id": (3, "string"),
        "parameters": (4, "map"),
        "outputs": (5, "ModelInferResponse.InferOutputTensor*"),
        "raw_output_contents": (6, "bytes*"),
    },
    "ModelInferResponse.InferOutputTensor": TENSOR | CONTENTS,
}
ONE_OF = {"InferParameter": "parameter_choice"}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="eyas/oip.proto", package=PACKAGE, syntax="proto3")
    made: dict[str, descriptor_pb2.DescriptorProto] = {}
    for name, fields in FIELDS.items():
        outer, _, inner = name.rpartition(".")
        made[name] = (made[outer].nested_type if outer else file.message_type).add(name=inner)
        for field, (number, kind) in fields.items():
            _add(made[name], name, field, number, kind)
    return file


def _add(message: descriptor_pb2.DescriptorProto, name: str, field: str, number: int, kind: str) -> None:
    one = message.field.add(name=field, number=number)
    repeated = kind == "map" or kind.endswith("*")
    one.label = Kind.LABEL_REPEATED if repeated else Kind.LABEL_OPTIONAL
    if kind == "map":
        entry = message.nested_type.add(name="ParametersEntry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=Kind.LABEL_OPTIONAL, type=Kind.TYPE_STRING)
        _add(entry, name, "value", 2, "InferParameter")
        kind = f"{name}.ParametersEntry"
    kind = kind.rstrip("*")
    if kind in SCALARS:
        one.type = SCALARS[kind]
    else:
        one.type, one.type_name = Kind.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    if name in ONE_OF:
        if not message.oneof_decl:
            message.oneof_decl.add(name=ONE_OF[name])
        one.oneof_index = 0


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


def message(name: str) -> Any:
    """The class of a message."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
