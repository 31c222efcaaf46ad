"""What is looked for in a TorchScript or `torch.export` file before PyTorch opens it.

Such a file holds a program, and PyTorch says to load none whose maker one does not trust. A classifier has no need of
much of what it may hold, so that is refused: pickles (which `torch.export.load` opens, also where it has first tried
not to), compiled libraries, functions beside PyTorch's operators, formulas that are more than arithmetic, and operators
that read and write files. That is a fence and no proof.

PyTorch is given a copy, written anew from what was looked at. An archive can be made so that Python's reader and
PyTorch's find other files in it: the one takes the directory before the end record, the other the one at the offset
that the record names.

TorchScript is looked at as text, since parts of it run while it is loaded: its graph comes too late. Operators are
reached by a name after a dot, of `torch` or of a variable that stands for it, or by `getattr`, which PyTorch writes for
parts such as "0". So these are looked for on whatever they are asked of, and across comments and line ends.
"""

from __future__ import annotations

import io
import json
import lzma
import pickle
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from eyas.core.errors import BundleError, UnsafeDataError
from eyas.export.graph import quiet_exporter

BETWEEN = r"(?:\s|\\|#[^\n]*\n)*"  # what TorchScript passes over: space, the ends of lines, comments
TOUCHES_FILES = re.compile(
    rf"\.{BETWEEN}(?:save|load|from_file)\b"
    r"|(?<![.\w])ops\b(?! : |\.(?:aten|prim)\.\w)",  # other libraries; "ops : …" declares a part of that name
    re.ASCII,
)
# A submodule, as PyTorch writes it. No quote or bracket is in it, so that none is left out where this is taken away.
SUBMODULE = re.compile(r'\bgetattr\([\w.]+, "(?!(?:save|load|from_file)")[\w-]*"\)', re.ASCII)
UNREADABLE = (BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError, OSError)
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
OLD_SCRIPT = "model.json"  # with it, code lies in files of any name

Check = Callable[[str, bytes], None]
"""Refuses a file of the archive, by its name in the one folder and its content."""


def copy_script(file: Path, target: Path) -> None:
    """Copy TorchScript that neither reads nor writes files, nor calls the operators of other libraries.

    Args:
        file: an archive.
        target: the archive to make; it is for PyTorch where nothing was raised.

    Raises:
        UnsafeDataError: it does.
        BundleError: it is of an old form, or damaged.
    """
    _copy(file, target, lambda inside, content: _check_script(file, inside, content))


def copy_exported(file: Path, target: Path) -> None:
    """Copy a `torch.export` file with no more in it than one graph, its weights, and formulas of its sizes.

    Args:
        file: an archive.
        target: the archive to make; it is for PyTorch where nothing was raised.

    Raises:
        UnsafeDataError: it has more.
        BundleError: it is of an old form, or damaged.
    """
    try:
        _copy(file, target, lambda inside, content: _check_member(file, inside, content))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise BundleError(f"{file} is not what torch.export.save writes: {error!r}") from error


def _copy(file: Path, target: Path, check: Check) -> None:
    """Write anew what is read, each file of it after it was checked."""
    with ZipFile(file) as archive, ZipFile(target, "w") as fresh:
        for name in _members(archive, file):
            try:
                content = archive.read(name)
            except UNREADABLE as error:
                raise BundleError(f"{file} is a damaged archive: {name} cannot be read ({error})") from error
            check(name.partition("/")[2], content)
            fresh.writestr(name, content)


def _members(archive: ZipFile, file: Path) -> list[str]:
    """The files in it: each once and in one folder."""
    names = archive.namelist()
    if OLD in names:
        raise BundleError(f"{file} has the form of PyTorch 2.7 and before; write it anew with torch.export.save")
    folders = {name.partition("/")[0] for name in names}
    if len({name.casefold() for name in names}) != len(names) or len(folders) != 1:
        raise UnsafeDataError(f"{file} must hold each file once, in one folder, as PyTorch writes them")
    return names


def _check_script(file: Path, inside: str, content: bytes) -> None:
    known = inside.casefold()  # PyTorch finds a file however it is capitalised
    if known == OLD_SCRIPT:
        raise BundleError(f"{file} has the form of PyTorch 1.2 and before; write it anew with torch.jit.save")
    if not known.endswith(".py"):
        return
    code = content.decode(errors="replace")
    if found := TOUCHES_FILES.search(code):
        raise UnsafeDataError(
            f"{file} may compute and no more; its code {inside} has {found.group()!r}, which reads or writes files or "
            "calls a library of its own"
        )
    while (shorter := SUBMODULE.sub("_", code)) != code:  # one may be of another
        code = shorter
    if re.search(r"\bgetattr\b", code, re.ASCII):
        raise UnsafeDataError(
            f"{file} may take submodules by getattr and no more; its code {inside} takes another thing"
        )


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
