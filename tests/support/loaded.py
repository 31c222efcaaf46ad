"""The `eyas` command without the wait for its imports, for tests of what a command does.

A fresh process spends four seconds on loading torch and its like. Here one process a session loads them, and forks a
process for each command line. That one has its own arguments, folder, environment, standard streams, signals and exit
code, as a fresh one has. What the start itself decides is for a fresh process: which modules a command loads, variables
that libraries read when they are loaded, a missing library, Ctrl-C as a terminal sends it.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

LOADED = (
    "eyas.compare.making",
    "eyas.core.config",
    "eyas.core.console",
    "eyas.core.pipeline",
    "eyas.core.template",
    "eyas.data",
    "eyas.diagnose.verdict",
    "eyas.evaluate",
    "eyas.nn",
    "eyas.report",
    "msgspec",
    "onnxscript.function_libs.torch_lib.ops",
    "torch._dynamo",
    "torch.onnx._internal.exporter._core",
    "uvloop",
)
FORKS_BADLY = ("onnxruntime", "mlflow", "wandb")
"""Each starts threads when it is loaded; a forked process that waits for them never ends."""
START_SECONDS = 100
CLIENT = """#!{python} -SEI
import json, os, signal, socket, sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    request = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(request).to_bytes(4)], [0, 1, 2])
    server.sendall(request)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: server.send(bytes([number])))
    code = int(server.makefile().readline())
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def without_terminal() -> dict[str, str]:
    """Our environment but for the size of a terminal: readline, which pytest loads, adds it behind Python's back, and
    the processes that share a run's tests inherit it."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


@cache
def loaded_eyas() -> str:
    """The path of an `eyas` command that is forked from a process with everything loaded, up to the session's end.

    Where the system has no pidfd_open, as macOS, which also forks badly: the installed command.

    Raises:
        RuntimeError: that process ended.
    """
    if not hasattr(os, "pidfd_open"):
        return str(Path(sys.executable).parent / "eyas")
    folder = Path(tempfile.mkdtemp(prefix="eyas-"))
    command, address = folder / "eyas", folder / "socket"
    command.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    command.chmod(0o700)
    # Its standard input says that we are gone, however that came; its standard output, that it is ready.
    told, tells = os.pipe()
    command_line = [sys.executable, __file__, str(address)]
    server = subprocess.Popen(command_line, stdin=subprocess.PIPE, stdout=tells, env=without_terminal())
    os.close(tells)
    atexit.register(_end, server, folder)
    ready, _, _ = select.select([told], [], [], START_SECONDS)
    if not ready or not os.read(told, 1):
        raise RuntimeError(f"the process that loads eyas did not start (exit code {server.poll()})")
    os.close(told)
    return str(command)


def _end(server: subprocess.Popen[bytes], folder: Path) -> None:
    server.kill()
    server.communicate()
    shutil.rmtree(folder)


def main(address: str) -> None:
    """Load, then fork for each request. Comes back in the forked process alone, which becomes the command."""
    for name in LOADED:
        import_module(name)
    if found := [name for name in FORKS_BADLY if name in sys.modules]:
        raise RuntimeError(f"one of {LOADED} loads what cannot be forked: {found}")
    gc.freeze()  # what is loaded stays shared with the forked
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        os.write(1, b".")
        while True:
            ready, _, _ = select.select([0, listening.fileno()], [], [])
            if 0 in ready:
                os._exit(0)
            connection, _ = listening.accept()
            _reap()
            if os.fork() == 0:
                break
            connection.close()
    _keep(connection)
    try:
        runpy.run_module("eyas", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        _end_quickly(end.code or 0)


def _end_quickly(code: int) -> None:
    """End as Python does, but for giving back, module by module, all that was loaded."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream:
            stream.flush()
    os._exit(code)


def _reap() -> None:
    """Forget the keepers that have ended; the time that they took is then ours."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(connection: socket.socket) -> None:
    """Fork the command, pass signals on, and tell its exit code. Comes back in the command's process alone."""
    request, streams = _receive(connection)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(request, streams)
        return
    for number in (0, 1, *streams):
        os.close(number)
    ended = os.pidfd_open(pid)
    while True:
        ready, _, _ = select.select([ended, connection.fileno()], [], [])
        if ended in ready:
            break
        numbers = connection.recv(16)
        if not numbers:  # who asked is gone
            os.killpg(pid, signal.SIGKILL)
            break
        for number in numbers:
            os.kill(pid, number)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        connection.sendall(f"{code}\n".encode())
    finally:
        os._exit(0)


def _receive(connection: socket.socket) -> tuple[Any, list[int]]:
    """The request, and the descriptors of the standard streams."""
    header, streams, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb", buffering=0) as reader:
        missing, content = int.from_bytes(header), b""
        while missing > len(content):
            content += reader.read(missing - len(content))
    return json.loads(content), streams


def _become(request: Any, streams: list[int]) -> None:
    """Take on the arguments, folder, environment and streams of the request."""
    arguments, folder, environment = request
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which tests that run in the background are deaf to
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    sys.path[0] = folder


if __name__ == "__main__":
    main(sys.argv[1])
