#!/usr/bin/env python3
"""As much of a container engine as image-test.sh uses: an image's command as a process of this machine.

ENGINE_HOME/IMAGE is a folder that stands for the image's /models, and ENGINE_HOME/user says whom the image runs as. Its
configuration is deploy/docker/serve.yaml.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ["ENGINE_HOME"])
SETTINGS = Path(__file__).resolve().parents[2] / "deploy" / "docker" / "serve.yaml"
VALUED = {"--cap-drop", "--security-opt", "--tmpfs", "--volume", "--publish"}


def options(words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Of `run`: those before the image, and the image with what follows."""
    found: dict[str, list[str]] = {}
    while words and words[0].startswith("--"):
        name = words.pop(0)
        found.setdefault(name, []).append(words.pop(0) if name in VALUED else "")
    return found, words


def run(words: list[str]) -> None:
    found, (image,) = options(words)
    assert {"--detach", "--read-only"} <= found.keys(), found
    assert found["--cap-drop"] == ["ALL"]
    assert found["--security-opt"] == ["no-new-privileges"]
    places = {"/models": str(HOME / image), "/var/lib/eyas": str(HOME / "monitor")}
    places |= {target: source for source, target, _ in (one.split(":") for one in found["--volume"])}
    host, port, _ = found["--publish"][0].split(":")
    text = SETTINGS.read_text().replace("0.0.0.0", host)
    for target, source in places.items():
        text = text.replace(target, source)
    (HOME / "eyas.yaml").write_text(text)
    command = ["serve", places["/models"], "--config", str(HOME / "eyas.yaml"), "--port", port, "serve.workers=1"]
    with (HOME / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "eyas", *command], stdout=log, stderr=log, start_new_session=True
        )
    (HOME / "running").write_text(str(process.pid))
    print(f"{image.replace('/', '-')}-container")


def main() -> None:
    verb, *words = sys.argv[1:]
    if verb == "run":
        run(words)
    elif verb == "exec":
        print((HOME / "user").read_text())
    elif verb == "logs":
        print((HOME / "log").read_text())
    elif verb == "rm":
        os.killpg(int((HOME / "running").read_text()), signal.SIGTERM)
        (HOME / "running").rename(HOME / "ended")
    else:
        sys.exit(f"no such verb: {verb}")


main()
