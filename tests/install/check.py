"""Install eyas as its users do, in clean environments, and see that each half works without the other.

    python tests/install/check.py

Run by `make install-check`, from an environment that has the learning half: it makes the bundle.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from eyas.cli.local_server import local_server

ROOT = Path(__file__).parents[2]
LEARN_ONLY = ("torch", "sklearn", "matplotlib", "pyarrow", "onnx")
ANSWER = """
import importlib.util, json, sys, urllib.request
from pathlib import Path
import numpy as np
from eyas.bundle import open_bundle
from eyas.cli.local_server import local_server

for name in {learn_only!r}:
    assert importlib.util.find_spec(name) is None, f"{{name}} is installed"
golden = open_bundle(Path(sys.argv[1])).golden()
with local_server(Path(sys.argv[1])) as url:
    body = json.dumps({{"data": golden.images.tolist(), "range": 255}}).encode()
    request = urllib.request.Request(url + "/predict", body, {{"Content-Type": "application/json"}})
    answer = json.load(urllib.request.urlopen(request, timeout=30))
np.testing.assert_allclose(answer["probabilities"], golden.probabilities, atol=1e-4)
print(len(golden.images), "golden predictions over HTTP are right")
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        bundle = make_bundle(work)
        base = environment(work / "base", "")
        said = run([base, "-m", "eyas", "--help"])
        assert "train" in said, said
        said = run([base, "-m", "eyas", "train", "digits"], code=8)
        assert 'pip install "eyas[train]"' in said, said
        serve = environment(work / "serve", "[serve]")
        print(run([serve, "-c", ANSWER.format(learn_only=LEARN_ONLY), str(bundle)]).strip())
        run([serve, "-m", "eyas", "deploy", "compose", "--bundle", str(bundle), "--out", str(work / "stack")])
        for name in (
            "pyproject.toml",
            "src/eyas/cli/deploy.py",
            "deploy/docker/serve.Dockerfile",
            "deploy/compose/.env",
        ):
            assert (work / "stack" / name).is_file(), name
        client = environment(work / "client", "[client]")
        with local_server(bundle) as url:
            said = run([client, "-m", "eyas", "predict", "--url", url, str(ROOT / "docs" / "seven.png")])
        assert "confidence" in said, said
        for name in ("base", "serve", "client"):
            print(f"installed size of {name}: {megabytes(work / name):.0f} MB ({packages(work / name)} packages)")


def make_bundle(work: Path) -> Path:
    words = ("train.epochs=2", "train.precision=fp32", f"runs_dir={work}/runs", "name=check")
    run([sys.executable, "-m", "eyas", "train", "digits", *words])
    run([sys.executable, "-m", "eyas", "export", f"{work}/runs/check-1"])
    return work / "runs" / "check-1" / "bundle"


def environment(path: Path, extras: str, source: Path = ROOT) -> str:
    """A new virtual environment with eyas installed from this checkout, not editable, or a wheel; its Python."""
    venv.create(path, with_pip=True)
    python = str(path / "bin" / "python")
    lock = str(ROOT / "requirements.lock")
    run([python, "-m", "pip", "install", "--quiet", "--constraint", lock, f"{source}{extras}"], seconds=2400)
    return python


def run(command: list[str], code: int = 0, folder: Path | None = None, seconds: float = 600) -> str:
    place = folder or Path(tempfile.gettempdir())
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds, cwd=place)
    if done.returncode != code:
        sys.exit(f"{' '.join(command)} gave {done.returncode}, not {code}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def megabytes(path: Path) -> float:
    """Of the installed packages without pip and setuptools, which the environment brings."""
    own = [p for p in (path / "lib").glob("python*/site-packages/*") if not p.name.startswith(("pip", "setuptools"))]
    files = {
        f.stat().st_ino: f.stat().st_size for p in own for f in ([p] if p.is_file() else p.rglob("*")) if f.is_file()
    }
    return sum(files.values()) / 1e6


def packages(path: Path) -> int:
    found = list((path / "lib").glob("python*/site-packages/*.dist-info"))
    return sum(not p.name.startswith(("pip-", "setuptools-")) for p in found)


if __name__ == "__main__":
    main()
