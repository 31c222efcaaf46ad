"""What a compose file needs of this machine: settings, ports, secrets, and the files that it mounts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eyas.core import plain_yaml
from eyas.deploy.files import template_folder
from eyas.deploy.inspection.files import look_at_port
from eyas.deploy.inspection.finding import Finding

FILE, SETTINGS = "compose.yaml", ".env"
WITHIN = (Path(), Path("deploy") / "compose")
"""Where a folder may have it."""
COMMENT = re.compile(r"(?:^|\s+)#")
VARIABLE = re.compile(r"\$\{(\w+)(?::?([-?])([^}]*))?\}")


def look_at_stack(folder: Path | None) -> Iterator[Finding]:
    """The compose file of a folder.

    Args:
        folder: with `compose.yaml`, or as `eyas deploy compose` writes it. None: the working directory; where that has
            none, the ports of the file that `eyas deploy compose` would write.
    """
    found = find_compose(folder or Path())
    if found is None and folder is not None:
        said = f"{folder} holds neither {FILE} nor {WITHIN[1] / FILE}: `eyas deploy compose --out DIR` writes one"
        yield Finding("compose", FILE, False, said)
        return
    file = found or template_folder() / "compose" / FILE
    try:
        settings = {**read_settings(file.with_name(SETTINGS)), **os.environ}
        text = file.read_text(encoding="utf-8")
        content = plain_yaml.read(VARIABLE.sub(lambda one: _value(one, settings), text))
        services, secrets = content["services"], content.get("secrets") or {}
        ports = [(port, name) for name, service in services.items() for port in published(service)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        yield Finding("compose", str(file), False, f"cannot be read: {error}")
        return
    if found:
        yield _look_at_settings(file, text, settings)
        yield from (_look_at_secret(name, file.parent / one["file"]) for name, one in secrets.items() if "file" in one)
        yield from _look_at_mounts(services, file.parent)
    yield from (look_at_port(port, f" of {name}") for port, name in ports)


def find_compose(folder: Path) -> Path | None:
    """The compose file of a folder."""
    return next((folder / within / FILE for within in WITHIN if (folder / within / FILE).is_file()), None)


def read_settings(file: Path) -> dict[str, str]:
    """`.env`, as compose reads its plain lines; nothing where it is not there."""
    if not file.is_file():
        return {}
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): _plain(value.strip()) for name, _, value in pairs}


def _plain(value: str) -> str:
    """Without quotes, or without the comment behind it."""
    quote = value[:1]
    if quote in ("'", '"'):
        return value[1:].partition(quote)[0]
    return COMMENT.split(value)[0]


def published(service: Mapping[str, Any]) -> Iterator[int]:
    """The ports of this machine that a service is to have; each of a range.

    Raises:
        ValueError: one is no port.
    """
    for entry in service.get("ports") or ():
        if isinstance(entry, Mapping):
            text = str(entry.get("published", ""))
        else:
            text = str(entry).rpartition(":")[0].rpartition(":")[2]  # none for a port that the engine chooses
        first, _, last = text.partition("-")
        if first:
            ports = range(int(first), int(last or first) + 1)
            if not 1 <= ports.start < ports.stop <= 65536:
                raise ValueError(f"a port must be in [1, 65535], got {text}")
            yield from ports


def _value(found: re.Match[str], settings: Mapping[str, str]) -> str:
    name, mark, default = found.groups()
    return settings.get(name) or (default if mark == "-" else "")


def _look_at_settings(file: Path, text: str, settings: Mapping[str, str]) -> Finding:
    """Whether each variable has a value or a default."""
    wanted = {one[1] for one in VARIABLE.finditer(text) if one[2] != "-"}
    missing = sorted(name for name in wanted if not settings.get(name))
    own = file.with_name(SETTINGS)
    if missing:
        return Finding("compose", SETTINGS, False, f"{own} must set {', '.join(missing)}")
    return Finding("compose", SETTINGS, True, str(own) if own.is_file() else "none: what is set in it has defaults")


def _look_at_secret(name: str, file: Path) -> Finding:
    what = f"secret {name}"
    try:
        empty = not file.is_file() or not file.read_bytes().strip()
    except OSError as error:
        return Finding("compose", what, False, f"{file}: {error.strerror}")
    if empty:
        said = f"{file} is not there, or empty: `eyas deploy compose --out DIR` makes the secrets of a stack"
        return Finding("compose", what, False, said)
    return Finding("compose", what, True, str(file))


def _look_at_mounts(services: Mapping[str, Any], folder: Path) -> Iterator[Finding]:
    """Files and folders of this machine that are mounted: an engine makes a folder of one that is missing."""
    entries = (str(one) for service in services.values() for one in service.get("volumes") or ())
    sources = dict.fromkeys(one.partition(":")[0] for one in entries if one.startswith((".", "/")))
    for source in sources:
        place = folder / source
        said = str(place) if place.exists() else f"{place} is not there; the engine would make an empty folder of it"
        yield Finding("compose", f"mount {source}", place.exists(), said)
