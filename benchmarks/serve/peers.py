"""The servers that are compared, each in an environment of its own: two workers, one ONNX Runtime thread in each."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from urllib.parse import urlsplit

import bodies
import jwt
import numpy as np
import triton_server
from bodies import Body
from models import Served
from processes import Tree, free_port, running

HERE = Path(__file__).parent.resolve()
APPS = HERE / "apps"
ENVIRONMENTS = Path("build/peers-serve").absolute()
WORK = Path("build/bench-serve").absolute()
WORKERS = 2
TOLERANCE = 1e-3
# Of every server, eyas too: one core a worker, and threads that sleep when idle.
ENV = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "PYTHONDONTWRITEBYTECODE": ""}
# All that a team would switch on: everything about eyas's own set-up is here.
SECRET = "only for benchmarks, where everybody may know it"
EYAS_SETTINGS = (
    f"serve.auth.secret_file={WORK}/secret",
    "serve.rate.per_second=1000000",
    "serve.rate.burst=1000000",
    "serve.max_wait_seconds=0.1",  # for small networks, whose callers do not wait long
)
CLAIMS = {"sub": "load", "iss": "eyas", "aud": "eyas", "scope": "predict", "exp": int(time()) + 86400}
EYAS_HEADERS = {"Authorization": f"Bearer {jwt.encode(CLAIMS, SECRET, 'HS256')}"}
OWN = {"triton": "nvidia_pytriton"}
"""Environment → the package of its server, where that has another name."""
ADMIN_HEADERS = {"Authorization": f"Bearer {jwt.encode(CLAIMS | {'scope': 'admin'}, SECRET, 'HS256')}"}


@dataclass(frozen=True)
class Peer:
    """A server."""

    name: str
    environment: str
    command: Callable[[Served, int], list[str]]
    """(model, port) → the arguments after the environment's Python."""
    bodies: Callable[[Served], dict[str, Body]]
    """By kind: json, binary, image, oip json."""
    env: Callable[[Served], dict[str, str]] = lambda model: {}
    same_model: bool = True
    """It serves the very graph, and so must give the same answer."""

    @property
    def package(self) -> str:
        """The server's own, as its metadata are called."""
        return OWN.get(self.environment, self.environment)

    @property
    def python(self) -> Path:
        """Of its environment."""
        return ENVIRONMENTS / self.environment / "bin" / "python"


@dataclass
class Server:
    """A peer that runs and has answered."""

    peer: Peer
    model: Served
    port: int
    tree: Tree
    cold_start: float = 0.0
    """Seconds to the first 200 of a prediction."""
    bodies: dict[str, Body] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.port}"

    def takes(self, kind: str) -> bool:
        """Whether it answers this kind of body, and rightly."""
        if kind not in self.bodies:
            return False
        status, headers, content = post(self.url, self.bodies[kind])
        if status != 200:
            return False
        self._check(self.bodies[kind].read(content, headers), kind)
        return True

    def _check(self, answer: object, kind: str) -> None:
        found, right = np.ravel(answer), self.model.probabilities
        if found.shape != right.shape or (self.peer.same_model and np.abs(found - right).max() > TOLERANCE):
            raise SystemExit(f"{self.peer.name} answers {kind} with {found}, must be {right}")


@contextmanager
def serving(peer: Peer, model: Served, cores: set[int] | None = None) -> Iterator[Server]:
    """Run a peer until the block ends; it has answered its first kind of body."""
    port = free_port()
    command = [str(peer.python), *peer.command(model, port)]
    with running(command, ENV | peer.env(model), cwd=APPS, cores=cores) as tree:
        server = Server(peer, model, port, tree, bodies=peer.bodies(model))
        first = next(iter(server.bodies.values()))
        server.cold_start = tree.wait_for(lambda: _answers(server.url, first))
        yield server


def post(url: str, body: Body, timeout: float = 30) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, content."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request("POST", body.path, body.content, body.headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def _answers(url: str, body: Body) -> bool:
    try:
        return post(url, body)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _uvicorn(model: Served, port: int) -> list[str]:
    return f"-m uvicorn fastapi_app:app --port {port} --workers {WORKERS} --no-access-log --log-level warning".split()


def _gunicorn(model: Served, port: int) -> list[str]:
    return f"-m gunicorn --bind 127.0.0.1:{port} --workers {WORKERS} --threads 4 flask_app:app".split()


def _eyas(model: Served, port: int) -> list[str]:
    return eyas_serves(model.bundle.path.resolve(), port)


def eyas_serves(path: Path, port: int, *more: str) -> list[str]:
    """The arguments that serve a bundle or a repository, with more settings."""
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "secret").write_text(SECRET)
    (WORK / "secret").chmod(0o600)
    words = (f"serve.workers={WORKERS}", f"serve.port={port}", *EYAS_SETTINGS, *more)
    return ["-m", "eyas", "serve", str(path), *words]


def _eyas_bodies(model: Served) -> dict[str, Body]:
    infer = f"/v2/models/{model.bundle.manifest.name}/infer"
    made = {
        "json": bodies.simple("/predict", "data", model, {"range": 255}),
        "binary": bodies.open_binary(infer, model),
        "image": bodies.png("/predict", model),
        "oip json": bodies.open_json(infer, model),
    }
    return {kind: Body(b.path, b.content, b.headers | EYAS_HEADERS, b.read) for kind, b in made.items()}


def _triton_bodies(model: Served) -> dict[str, Body]:
    infer = f"/v2/models/{triton_server.MODEL}/infer"
    spoken = bodies.open_json(infer, model)
    return {"json": spoken, "binary": bodies.open_binary(infer, model), "oip json": spoken}


def _graph(model: Served) -> dict[str, str]:
    return {"MODEL": str(model.onnx), "WORKERS": str(WORKERS)}


def _keras(call: str) -> Callable[[Served], dict[str, str]]:
    def env(model: Served) -> dict[str, str]:
        shape, classes = json.dumps(model.image.shape), str(len(model.probabilities))
        return {"NETWORK": model.name, "SHAPE": shape, "CLASSES": classes, "CALL": call, "TF_CPP_MIN_LOG_LEVEL": "3"}

    return env


def _script(name: str) -> Callable[[Served, int], list[str]]:
    return lambda model, port: [str(APPS / name), str(port)]


def _json_to(path: str, key: str = "data") -> Callable[[Served], dict[str, Body]]:
    return lambda model: {"json": bodies.simple(path, key, model)}


PEERS = {
    peer.name: peer
    for peer in (
        Peer("eyas", "eyas", _eyas, _eyas_bodies, lambda model: {"PYTHONPATH": str(HERE.parents[1] / "src")}),
        Peer(
            "triton",
            "triton",
            lambda model, port: [str(HERE / "triton_server.py"), str(model.onnx), str(port), str(WORK / "triton")],
            _triton_bodies,
        ),
        Peer(
            "fastapi",
            "fastapi",
            _uvicorn,
            lambda model: _json_to("/predict")(model) | {"binary": bodies.octets("/octets", model)},
            _graph,
        ),
        Peer("litserve", "litserve", _script("litserve_app.py"), _json_to("/predict"), _graph),
        Peer(
            "bentoml",
            "bentoml",
            lambda model, port: f"-m bentoml serve bentoml_app:Classifier --port {port}".split(),
            _json_to("/predict"),
            _graph,
        ),
        Peer("mosec", "mosec", _script("mosec_app.py"), _json_to("/inference"), _graph),
        Peer(
            "mlserver",
            "mlserver",
            lambda model, port: [str(_program("mlserver")), "start", str(_mlserver_folder(model, port))],
            lambda model: dict.fromkeys(("json", "oip json"), bodies.open_json("/v2/models/m/infer", model)),
            _graph,
        ),
        Peer("flask tf.function", "flask", _gunicorn, _json_to("/predict"), _keras("function"), same_model=False),
        Peer("flask model.predict", "flask", _gunicorn, _json_to("/predict"), _keras("predict"), same_model=False),
    )
}


def _program(name: str) -> Path:
    return ENVIRONMENTS / name / "bin" / name


def _mlserver_folder(model: Served, port: int) -> Path:
    """MLServer reads its settings from a folder."""
    folder = WORK / "mlserver"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(APPS / "mlserver_app.py", folder)
    general = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_port": port + 2,
        "parallel_workers": WORKERS,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(general))
    (folder / "model-settings.json").write_text(json.dumps({"name": "m", "implementation": "mlserver_app.Classifier"}))
    return folder
