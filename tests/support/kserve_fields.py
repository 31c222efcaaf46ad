"""The fields of KServe's kinds, by the models that KServe generates from its API for its Python package.

The package itself is not imported: it wants a web framework and more. Its models are classes with two dicts, which are
read from the source: `openapi_types` and `attribute_map`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLAIN: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "bool": bool, "float": (int, float)}
LISTED, MAPPED = re.compile(r"list\[(.+)\]"), re.compile(r"dict\(str, (.+)\)")


def wrong_fields(value: Any, model: str, models: Path, where: str = "") -> Iterator[str]:
    """What of a value its model does not have, or has as another type. Kubernetes's own models are passed over.

    Args:
        model: such as `V1beta1InferenceService`.
        models: the folder kserve/models of the package.
    """
    if model in PLAIN:
        if not isinstance(value, PLAIN[model]):
            yield f"{where} must be {model}, got {value!r}"
    elif found := LISTED.fullmatch(model):
        for number, one in enumerate(value):
            yield from wrong_fields(one, found[1], models, f"{where}[{number}]")
    elif found := MAPPED.fullmatch(model):
        for name, one in value.items():
            yield from wrong_fields(one, found[1], models, f"{where}.{name}")
    elif (source := models / f"{_file_name(model)}.py").is_file():
        types, names = _tables(source)
        for name, one in value.items():
            if name in names:
                yield from wrong_fields(one, types[names[name]], models, f"{where}.{name}")
            else:
                yield f"{where}.{name} is no field of {model}"


def _tables(source: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Types by attribute, and attributes by the name in JSON."""
    (model,) = (node for node in ast.parse(source.read_text()).body if isinstance(node, ast.ClassDef))
    tables = {
        target.id: ast.literal_eval(node.value)
        for node in model.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return tables["openapi_types"], {name: own for own, name in tables["attribute_map"].items()}


def _file_name(model: str) -> str:
    """V1beta1InferenceService → v1beta1_inference_service."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model).lower()
