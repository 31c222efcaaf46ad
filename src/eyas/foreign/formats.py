"""What a model's file is, told by its content, and why some are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from zipfile import BadZipFile, ZipFile, is_zipfile

from eyas.core.errors import BundleError, UnsafeDataError

Format = Literal["onnx", "torchscript", "torch-export"]
MAX_BYTES = 2_000_000_000  # a protobuf message, as an ONNX file is, holds 2 GiB at most
PICKLE = (
    "is a pickle that torch.save wrote: opening it may run any code, and the weights in it do not say what network "
    "they belong to. Build the network in Python, give it the weights with torch.load(FILE, weights_only=True), write "
    "it with torch.onnx.export(model.eval(), …) or torch.export.save(torch.export.export(model.eval(), …), …), and "
    "import that"
)
SAFETENSORS = (
    "holds weights alone (safetensors), which do not say what network they belong to. Build the network in Python, "
    "load them, write it with torch.onnx.export, and import that"
)
KERAS = "is a Keras model; eyas import keras takes those"
TFLITE = "is a TensorFlow Lite model; write it as ONNX (tf2onnx), and import that"


def require_format(file: Path, wanted: Format) -> None:
    """Refuse a file of another format, saying what it is and what to do.

    Raises:
        BundleError: no such file, another format, or more than `MAX_BYTES`.
        UnsafeDataError: a pickle.
    """
    if not file.is_file():
        raise BundleError(f"{file} is no file")
    if file.stat().st_size > MAX_BYTES:
        raise BundleError(f"{file} must have at most {MAX_BYTES:,} bytes, got {file.stat().st_size:,}")
    found = _format_of(file)
    if found == PICKLE:
        raise UnsafeDataError(f"{file} {found}")
    if found not in ("onnx", "torchscript", "torch-export"):
        raise BundleError(f"{file} {found}")
    if found != wanted:
        raise BundleError(f"{file} is no {wanted} file; it may be one for: eyas import {found} {file}")


def _format_of(file: Path) -> str:
    """A `Format` (`onnx` where nothing speaks for another), or why it is none.

    Raises:
        BundleError: a damaged archive.
        UnsafeDataError: one that unpacks to more than `MAX_BYTES`.
    """
    with file.open("rb") as stream:
        head = stream.read(16)
    if head[:4] == b"PK\x03\x04":
        if not is_zipfile(file):
            raise BundleError(f"{file} is a damaged archive: its end is missing")
        return _format_of_zip(file)
    if head[:1] == b"\x80":
        return PICKLE
    if head[:4] == b"\x89HDF":
        return KERAS
    if head[4:8] == b"TFL3":
        return TFLITE
    described = int.from_bytes(head[:8], "little")  # how long the text is that begins safetensors
    return SAFETENSORS if head[8:9] == b"{" and described <= file.stat().st_size - 8 else "onnx"


def _format_of_zip(file: Path) -> str:
    try:
        with ZipFile(file) as archive:
            members = archive.infolist()
    except (BadZipFile, NotImplementedError, ValueError) as error:
        raise BundleError(f"{file} is a damaged archive: {error}") from error
    if (size := sum(member.file_size for member in members)) > MAX_BYTES:
        raise UnsafeDataError(f"{file} must unpack to at most {MAX_BYTES:,} bytes, got {size:,}")
    names = {member.filename for member in members}
    inside = {name.partition("/")[2] for name in names}  # PyTorch puts all into one folder
    if "archive_format" in inside or "serialized_exported_program.json" in names:
        return "torch-export"
    if "constants.pkl" in inside:
        return "torchscript"
    if "data.pkl" in inside:
        return PICKLE
    return KERAS if {"config.json", "metadata.json"} <= names else "is an archive that eyas does not know"
