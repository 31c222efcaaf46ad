"""Secrets, volumes, ports."""

from __future__ import annotations

import errno
import socket
import stat
import tempfile
from pathlib import Path

from eyas.core.schema.trust import SECRET_BYTES
from eyas.deploy.inspection.finding import Finding

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def look_at_secret(file: Path) -> Finding:
    """A file that its owner alone may read, with enough in it. Its content is not told."""
    what = f"secret {file}"
    try:
        found = file.stat()
        content = file.read_bytes().strip() if stat.S_ISREG(found.st_mode) else None
    except OSError as error:
        return Finding("yours", what, False, f"{error.strerror}; `eyas token --new-secret {file}` makes one")
    if content is None:
        return Finding("yours", what, False, "must be a file; a container engine makes a folder where there was none")
    if len(content) < SECRET_BYTES:
        return Finding("yours", what, False, f"must hold at least {SECRET_BYTES} bytes, has {len(content)}")
    mode = stat.S_IMODE(found.st_mode)
    if mode & OTHERS and stat.S_IMODE(file.absolute().parent.stat().st_mode) & OTHERS:
        return Finding("yours", what, False, f"others may read it ({mode:o}): chmod 600 {file}")
    return Finding("yours", what, True, f"{len(content)} bytes, closed to others")


def look_at_volume(folder: Path) -> Finding:
    """A folder that can be written."""
    what = f"volume {folder}"
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = "it is read-only" if error.errno == errno.EROFS else error.strerror
        return Finding("yours", what, False, f"cannot be written: {why}; what the monitor knows would be lost")
    return Finding("yours", what, True, "can be written")


def look_at_port(port: int, whose: str = "") -> Finding:
    """A port of this machine that nobody has."""
    what = f"port {port}{whose}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            why = (
                "it is taken; stop who has it, or choose another" if error.errno == errno.EADDRINUSE else error.strerror
            )
            return Finding("compose", what, False, str(why))
    return Finding("compose", what, True, "free")
