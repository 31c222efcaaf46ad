"""deploy/compose/compose.yaml, read as compose reads it, and its services as processes of this machine.

What differs from containers: a volume, a secret or a mounted file is a path of this machine, a service's name is
127.0.0.1, and where one of the ports is taken here, another one stands for it.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from eyas.deploy.files import template_folder
from support.server import free_port
from support.waiting import wait_until

COMPOSE = template_folder() / "compose" / "compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
START_SECONDS, STOP_SECONDS = 240, 30


def read_compose(settings: Mapping[str, str], file: Path = COMPOSE) -> dict[str, Any]:
    """The file with its variables set, or their defaults."""

    def value(found: re.Match[str]) -> str:
        return settings.get(found[1]) or found[2] or ""

    content: dict[str, Any] = yaml.safe_load(VARIABLE.sub(value, file.read_text()))
    return content


def variables(file: Path = COMPOSE) -> dict[str, str]:
    """Those that it asks for, with their defaults."""
    return dict(VARIABLE.findall(file.read_text()))


def mounts(service: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Source and target of each of its volumes and mounted files."""
    found = (str(one).split(":") for one in service.get("volumes", []))
    return [(source, target) for source, target, *_ in found]


@dataclass
class Stack:
    """The services of the compose file, each started by its own command with its own environment."""

    folder: Path
    """For volumes, secrets and logs."""
    settings: dict[str, str]
    content: dict[str, Any] = field(init=False)
    ports: dict[int, int] = field(init=False)
    """Of the file → of this machine."""

    def __post_init__(self) -> None:
        self.content = read_compose(self.settings)
        published = [one.rpartition(":")[2] for name in self.names for one in self.service(name).get("ports", [])]
        self.ports = {int(port): _free(int(port)) for port in [*published, 5432]}

    @property
    def names(self) -> list[str]:
        """Of the services."""
        return list(self.content["services"])

    def service(self, name: str) -> dict[str, Any]:
        """As the file has it."""
        found: dict[str, Any] = self.content["services"][name]
        return found

    def volume(self, name: str) -> Path:
        """Where a named volume lies here."""
        path = self.folder / "volumes" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def here(self, name: str, text: str) -> str:
        """A word, a variable's value or a file of a service, with its paths, names and ports as they are here."""
        for source, target in sorted(mounts(self.service(name)), key=lambda one: -len(one[1])):
            path = self.volume(source) if source in self.content["volumes"] else COMPOSE.parent / source
            text = re.sub(rf"(?<![\w./]){re.escape(target)}(?![\w.-])", str(path), text)
        text = text.replace("/run/secrets", str(self.folder / "secrets")).replace("0.0.0.0", "127.0.0.1")
        text = text.replace("//postgres/", f"//127.0.0.1:{self.ports[5432]}/")
        text = re.sub(rf'(?<=[/"])({"|".join(self.names)})(?=:\d)', "127.0.0.1", text)
        return re.sub(r"(?<=[:=])\d{4}\b", lambda found: str(self.ports.get(int(found[0]), found[0])), text)

    def command(self, name: str, *program: str, words: list[str] | None = None) -> list[str]:
        """The program in place of the image's, and the service's words, or others in their place."""
        said = self.service(name).get("command", []) if words is None else words
        return [*program, *(self.here(name, str(word)) for word in said)]

    def environment(self, name: str, **other: str) -> dict[str, str]:
        """Ours, and the service's."""
        own = {key: self.here(name, str(value)) for key, value in self.service(name).get("environment", {}).items()}
        return {**os.environ, "OMP_WAIT_POLICY": "passive", **own, **other}

    def url(self, name: str) -> str:
        """Where a service is found."""
        port = int(self.service(name)["ports"][0].rpartition(":")[2])
        return f"http://127.0.0.1:{self.ports[port]}"

    def is_healthy(self, name: str, environment: Mapping[str, str], *program: str) -> bool:
        """What its health check says; `program` stands for the check's own."""
        _, _, *words = self.service(name)["healthcheck"]["test"]
        command = [*program, *(self.here(name, word) for word in words)]
        done = subprocess.run(command, env=dict(environment), capture_output=True, timeout=20, check=False)
        return done.returncode == 0

    @contextmanager
    def running(self, name: str, command: list[str], environment: Mapping[str, str], cwd: Path) -> Iterator[None]:
        """A process for the block; it must then end by SIGTERM."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, env=dict(environment), cwd=cwd, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield
            assert process.poll() is None, f"{name} ended: {log.read_text()}"
        finally:
            process.terminate()
            process.wait(timeout=STOP_SECONDS)

    def wait_healthy(self, name: str, environment: Mapping[str, str], *program: str) -> None:
        """Until its health check says so."""
        try:
            wait_until(lambda: self.is_healthy(name, environment, *program), START_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"{name} is not healthy: {(self.folder / f'{name}.log').read_text()[-3000:]}") from None


def _free(port: int) -> int:
    """This port, or another where somebody has it."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port
