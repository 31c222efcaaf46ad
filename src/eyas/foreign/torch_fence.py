"""What is looked for in a TorchScript or `torch.export` file before PyTorch opens it.

Such a file holds a program, and PyTorch says to load none whose maker one does not trust. A classifier has no need of
much of what it may hold, so that is refused: pickles (which `torch.export.load` opens, also where it has first tried
not to), compiled libraries, functions beside PyTorch's operators, formulas that are more than arithmetic, and operators
that read and write files. That is a fence and no proof.
"""

from __future__ import annotations

import io
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch

from eyas.core.errors import BundleError, UnsafeDataError
from eyas.export.graph import quiet_exporter

TOUCHES_FILES = re.compile(r"\bfrom_file\b|\b(?:torch|aten)\s*\.\s*(?:save|load)\b|\bops\s*\.\s*(?!aten\b|prim\b)\w+")
MEMBERS = re.compile(
    r"(?:data/weights/(?:weight_\d+|model_weights_config\.json)|data/constants/(?:tensor_\d+|model_constants_config\.json)"
    r"|data/sample_inputs/model\.pt|models/model\.json|extra/.*|\.data/\w+|archive_format|archive_version|byteorder|version)"
)
TENSOR_FILE = re.compile(r"(?:weight|tensor)_\d+")
TARGETS = re.compile(r"torch\.ops\.(?:aten|prims|higher_order)\.[\w.]+|_operator\.[a-z]\w*|torch\.sym_\w+|math\.\w+")
SYMBOLS = re.compile(r"Symbol\('[suz]\d+'|L\['\w+'\]")
FORMULA_NAMES = re.compile(r"[A-Z]\w*|[suz]\d+|size|stride|and|or|not|positive|nonnegative|integer|real|finite")
TREES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
OLD = "serialized_exported_program.json"


def check_script(file: Path) -> None:
    """Refuse TorchScript that reads or writes files, or calls the operators of other libraries.

    Raises:
        UnsafeDataError: it does.
    """
    with ZipFile(file) as archive:
        for name in _members(archive, file):
            if name.endswith(".py") and (found := TOUCHES_FILES.search(archive.read(name).decode(errors="replace"))):
                raise UnsafeDataError(
                    f"{file} may compute and no more; its code {name} has {found.group()!r}, which reads or writes "
                    "files or calls a library of its own"
                )


def check_exported(file: Path) -> None:
    """Refuse a `torch.export` file with more in it than one graph, its weights, and formulas of its sizes.

    Raises:
        UnsafeDataError: it has more.
        BundleError: it is of an old form, or damaged.
    """
    with ZipFile(file) as archive:
        if OLD in archive.namelist():
            raise BundleError(f"{file} has the form of PyTorch 2.7 and before; write it anew with torch.export.save")
        try:
            for name in _members(archive, file):
                _check_member(file, name.partition("/")[2], archive.read(name))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise BundleError(f"{file} is not what torch.export.save writes: {error!r}") from error


def _members(archive: ZipFile, file: Path) -> list[str]:
    """The files in it: each once and in one folder, so that PyTorch finds what is looked at here."""
    names = archive.namelist()
    folders = {name.partition("/")[0] for name in names}
    if len({name.casefold() for name in names}) != len(names) or len(folders) != 1:
        raise UnsafeDataError(f"{file} must hold each file once, in one folder, as PyTorch writes them")
    return names


def _check_member(file: Path, inside: str, content: bytes) -> None:
    if not MEMBERS.fullmatch(inside):
        raise UnsafeDataError(f"{file} must hold one graph with its weights and no more, got {inside}")
    if inside.endswith("_config.json"):
        for name, one in json.loads(content)["config"].items():
            if one.get("use_pickle") or not TENSOR_FILE.fullmatch(one["path_name"]):
                raise UnsafeDataError(f"{file} holds {name} as a pickle, which may run any code when it is opened")
    elif inside == "models/model.json":
        _check_program(file, json.loads(content))
    elif inside.endswith(".pt") and content:
        try:
            with quiet_exporter():
                torch.load(io.BytesIO(content), weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise UnsafeDataError(f"{file} must hold tensors alone in {inside}, got a pickle of more") from error


def _check_program(file: Path, program: Any) -> None:
    for key, value in _texts(program):
        if key == "target" and not TARGETS.fullmatch(value):
            raise UnsafeDataError(f"{file} may call PyTorch's own operators and no more, got {value!r}")
        if key in ("expr_str", "guards_code") and not _is_arithmetic(value):
            raise UnsafeDataError(f"{file} may hold formulas of sizes and no more, got {value!r}")
        if key in ("in_spec", "out_spec") and value and not _is_plain(json.loads(value)[1]):
            raise UnsafeDataError(f"{file} must take and give tensors, tuples, lists and dicts, got {value!r}")


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in it, with the key that it or its list has."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
    elif isinstance(value, str):
        yield key, value


def _is_arithmetic(text: str) -> bool:
    """Whether it names sizes, numbers and SymPy's functions alone."""
    bare = SYMBOLS.sub("(", text)
    names = re.findall(r"[A-Za-z_]\w*", bare)
    return not re.search(r"['\"\\{}@:;]", bare) and all(FORMULA_NAMES.fullmatch(name) for name in names)


def _is_plain(spec: Any) -> bool:
    return spec["type"] in TREES and all(_is_plain(inner) for inner in spec["children_spec"])
