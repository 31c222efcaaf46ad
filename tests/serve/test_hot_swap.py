"""The real server over a repository: a good version takes over and no request is lost; a bad one never answers."""

import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from eyas.bundle import Bundle, Repository
from support import defects
from support.bundles import make_bundle
from support.server import Server, free_port, running, start

SECONDS = 30  # for anything that is waited for
BAD = {
    "corrupt": (defects.corrupt, "has changed since it was written"),
    "wrong-golden": (defects.wrong_golden, "does not reproduce its golden answers"),
    "crashing": (defects.crashing, "the process that tried it crashed (SIGFPE)"),
    "hanging": (defects.hanging, "it was not loaded and proved within 1.5 s"),
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Two good versions, whose probabilities differ, and a bad one of each kind."""
    folder = tmp_path_factory.mktemp("bundles")
    made = {v: make_bundle(folder / v, version=v, sharpness=s) for v, s in (("1", 1.0), ("2", 3.0))}
    for version, (spoil, _) in BAD.items():
        made[version] = make_bundle(folder / version, version=version)
        spoil(folder / version)
    return made


@pytest.fixture
def repository(tmp_path: Path, bundles: dict[str, Bundle]) -> Repository:
    """Version 1 of `digits` is live."""
    made = Repository(tmp_path / "models")
    made.publish(bundles["1"].path, live=True)
    return made


def serving(repository: Repository, **config: Any) -> Any:
    """Two workers that look often."""
    settings = {"workers": 2, "threads": 1, "poll_seconds": 0.05, "prepare_seconds": 20.0, "admin": True}
    return running(repository.path, **settings | config)


def smuggle(repository: Repository, bundle: Bundle, version: str) -> None:
    """Put a version in and make it live as `cp` and an editor would: nothing is checked."""
    shutil.copytree(bundle.path, repository.path / "digits" / version)
    point(repository, version)


def point(repository: Repository, version: str) -> None:
    pointer = {"version": version, "since": "2025-01-01T00:00:00+00:00", "by": "an editor"}
    (repository.path / "digits" / ".pointer").write_text(json.dumps(pointer))
    (repository.path / "digits" / ".pointer").rename(repository.path / "digits" / "live.json")


def until(true: Callable[[], Any]) -> Any:
    """What `true` gives, once that is something."""
    deadline = time.monotonic() + SECONDS
    while not (found := true()):
        assert time.monotonic() < deadline, f"not so in {SECONDS} s"
    return found


def admin(server: Server) -> Any:
    return httpx.get(f"{server.url}/admin/models", timeout=SECONDS).raise_for_status().json()


def digits(server: Server) -> Any:
    return next(one for one in admin(server)["models"] if one["model"] == "digits")


def refusal(server: Server, version: str) -> str | None:
    return next((one["refused"] for one in digits(server)["versions"] if one["version"] == version), None)


def pids(server: Server) -> list[int]:
    return [worker["pid"] for worker in admin(server)["workers"] if worker["state"] == "ready"]


def make_live(server: Server, version: str) -> httpx.Response:
    return httpx.post(f"{server.url}/admin/models/digits/live", json={"version": version}, timeout=SECONDS)


def versions(server: Server, times: int = 20) -> set[str]:
    """Which versions answer on connections of their own, which the workers share."""
    return {httpx.get(f"{server.url}/health", timeout=SECONDS).json()["version"] for _ in range(times)}


class Load:
    """Clients that keep their connections and ask on and on; what each request began, ended and was answered with."""

    def __init__(self, server: Server, golden: Any, clients: int = 4) -> None:
        self.seen: list[tuple[float, float, int, Any]] = []
        self._url, self._body = server.url, {"data": (golden.images[:1] / 255).tolist()}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        until(lambda: len(self.seen) > 50)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(SECONDS)

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=SECONDS) as http:
            while not self._stop.is_set():
                began = time.monotonic()
                response = http.post("/predict", json=self._body)
                self.seen.append((began, time.monotonic(), response.status_code, response.json()))


@pytest.fixture
def loaded(repository: Repository, bundles: dict[str, Bundle]) -> Iterator[tuple[Server, Load]]:
    with serving(repository) as server, Load(server, bundles["1"].golden()) as load:
        yield server, load


def test_versions_change_under_load_and_no_request_is_lost(
    loaded: tuple[Server, Load], repository: Repository, bundles: dict[str, Bundle]
) -> None:
    server, load = loaded
    repository.publish(bundles["2"].path)
    changes = []
    for ask, version in (
        (lambda: make_live(server, "2"), "2"),
        (lambda: httpx.post(f"{server.url}/admin/models/digits/rollback", timeout=SECONDS), "1"),
        (lambda: make_live(server, "2"), "2"),
    ):
        asked = time.monotonic()
        answer = ask()
        told = time.monotonic()
        assert answer.status_code == 200, answer.text
        assert answer.json()["live"] == version
        changes.append((asked, told, version))
        until(lambda told=told: sum(began > told for began, *_ in load.seen) > 50)
    load.stop()
    assert {status for _, _, status, _ in load.seen} == {200}
    for *_, answer in load.seen:  # whole: the probabilities are those of the version that is named
        golden = bundles[answer["version"]].golden()
        np.testing.assert_allclose(answer["probabilities"], golden.probabilities[:1], atol=1e-6)
    live = "1"
    for (asked, told, version), (following, *_) in zip(changes, [*changes[1:], (inf,)], strict=True):
        during = {a["version"] for began, ended, _, a in load.seen if ended > asked and began < told}
        after = {a["version"] for began, ended, _, a in load.seen if began > told and ended < following}
        assert during <= {live, version}
        assert after == {version}
        live = version


def test_a_bad_version_never_answers(repository: Repository, bundles: dict[str, Bundle]) -> None:
    """Each kind, smuggled in and pointed at; then asked for by an admin."""
    with serving(repository, prepare_seconds=1.5) as server:
        workers = until(lambda: len(both := pids(server)) == 2 and both)
        for version, (_, reason) in BAD.items():
            smuggle(repository, bundles[version], version)
            assert reason in until(lambda bad=version: refusal(server, bad))
            assert versions(server, 6) == {"1"}
            assert httpx.get(f"{server.url}/model-info?version={version}").status_code == 404
            found = digits(server)
            assert (found["live"], found["pointer"]) == ("1", version)
        assert pids(server) == workers  # none has died of it
        point(repository, "1")
        answer = make_live(server, "crashing")
        assert answer.status_code == 409
        assert BAD["crashing"][1] in answer.json()["detail"]
        assert repository.live("digits").version == "1"  # the pointer has not moved
        point(repository, "crashing")
        os.kill(workers[0], signal.SIGKILL)  # who takes its place comes with what answers, not with what was refused
        until(lambda: len(now := pids(server)) == 2 and workers[0] not in now)
        assert versions(server) == {"1"}
        _, said = server.stop()
    for version in BAD:
        asked_for = 2 if version == "crashing" else 1  # by the pointer, and by the admin: not at each of many looks
        assert said.count(f"digits {version} is refused") == asked_for
    assert "Traceback" not in said


def test_a_version_is_tried_again_once_its_files_change(repository: Repository, bundles: dict[str, Bundle]) -> None:
    with serving(repository) as server:
        smuggle(repository, bundles["corrupt"], "corrupt")
        until(lambda: refusal(server, "corrupt"))
        folder = repository.path / "digits" / "corrupt"
        defects.corrupt(folder)  # the same bit once more: it is whole again
        until(lambda: digits(server)["live"] == "corrupt")
        assert versions(server) == {"corrupt"}
        assert refusal(server, "corrupt") is None
        defects.corrupt(folder)  # damage on the disk does not reach what is in memory
        until(lambda: refusal(server, "corrupt"))
        assert versions(server) == {"corrupt"}


def test_a_worker_that_is_killed_while_it_loads(repository: Repository, bundles: dict[str, Bundle]) -> None:
    """The one in its place loads what was live then, and goes over with the others."""
    slow = make_bundle(repository.path.parent / "slow", version="slow")
    defects.slow(slow.path, 30_000)
    repository.publish(slow.path)
    with serving(repository) as server:
        workers = pids(server)
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(make_live_patiently(server, "slow")))
        asking.start()
        until(lambda: admin_patiently(server)["doing"] == "the workers load digits slow")
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: digits_patiently(server)["live"] == "slow")
        until(lambda: len(now := pids(server)) == 2 and workers[0] not in now)
        asking.join(SECONDS)
        assert versions(server) == {"slow"}


def patiently(ask: Callable[[], httpx.Response]) -> Any:
    """Asked again where the worker that had the request has been killed."""
    while True:
        try:
            return ask()
        except httpx.TransportError:
            continue


def make_live_patiently(server: Server, version: str) -> Any:
    return patiently(lambda: make_live(server, version))


def admin_patiently(server: Server) -> Any:
    return patiently(lambda: admin(server))


def digits_patiently(server: Server) -> Any:
    return patiently(lambda: digits(server))


def test_a_killed_worker_comes_back_with_what_is_live(repository: Repository, bundles: dict[str, Bundle]) -> None:
    with serving(repository) as server:
        repository.publish(bundles["2"].path, live=True)
        until(lambda: versions(server, 10) == {"2"})
        workers = pids(server)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(now := patiently(lambda: pids(server))) == 2 and not set(now) & set(workers))
        assert versions(server) == {"2"}


def test_models_and_versions_come_and_go(repository: Repository, bundles: dict[str, Bundle]) -> None:
    def listed(server: Server) -> dict[str, list[str]]:
        return {one["name"]: one["versions"] for one in httpx.get(f"{server.url}/models").json()["models"]}

    repository.publish(bundles["2"].path)
    body = {"data": (bundles["1"].golden().images[:1] / 255).tolist()}
    with serving(repository, versions="all", poll_seconds=0, workers=1) as server:
        assert listed(server) == {"digits": ["1", "2"]}
        asked = httpx.post(f"{server.url}/predict?version=2", json=body).json()
        np.testing.assert_allclose(asked["probabilities"], bundles["2"].golden().probabilities[:1], atol=1e-6)
        repository.publish(bundles["2"].path, model="another", live=True)  # before `digits` by name
        repository.remove("digits", "2")
        assert listed(server) == {"digits": ["1", "2"]}  # it only looks when it is told to
        server.process.send_signal(signal.SIGHUP)
        until(lambda: listed(server) == {"digits": ["1"], "another": ["2"]})
        assert httpx.post(f"{server.url}/predict", json=body).json()["version"] == "1"  # the default has not changed
        assert httpx.post(f"{server.url}/predict?model=another", json=body).json()["version"] == "2"
        assert httpx.get(f"{server.url}/model-info?model=another").json()["name"] == "another"
        assert httpx.post(f"{server.url}/predict?model=digits&version=2", json=body).status_code == 404
        shutil.rmtree(repository.path / "digits")
        assert httpx.post(f"{server.url}/admin/reload").status_code == 200
        assert listed(server) == {"another": ["2"]}
        gone = httpx.post(f"{server.url}/predict", json=body)  # no other model answers in its place
        assert (gone.status_code, httpx.get(f"{server.url}/readyz").status_code) == (503, 200)
        assert "the default model digits is not loaded; ?model= may name another" in gone.json()["detail"]


def test_it_starts_without_a_model_that_is_broken(repository: Repository, bundles: dict[str, Bundle]) -> None:
    repository.publish(bundles["2"].path, model="sound", live=True)
    defects.corrupt(repository.path / "digits" / "1")
    with serving(repository) as server:
        assert httpx.get(f"{server.url}/model-info?model=sound").json()["version"] == "2"
        assert httpx.get(f"{server.url}/health").status_code == 503  # of the default
        assert "has changed since it was written" in refusal(server, "1")
        defects.corrupt(repository.path / "digits" / "1")
        until(lambda: httpx.get(f"{server.url}/health").status_code == 200)
        _, said = server.stop()
    assert "digits 1 is refused" in said
    assert "digits is not served" in said
    assert re.search(r"\ndigits 1: \S+ ms an image, (in batches of|one by one)", said)


def test_nothing_to_serve_is_an_error(repository: Repository) -> None:
    for spoil, said in (
        (lambda: defects.corrupt(repository.path / "digits" / "1"), "has changed since it was written"),
        (lambda: shutil.rmtree(repository.path / "digits" / "1"), "digits 1 is live in"),
        (lambda: shutil.rmtree(repository.path / "digits"), "no model has a live version"),
    ):
        spoil()
        server = start(repository.path)
        _, err = server.process.communicate(timeout=SECONDS)
        assert server.process.returncode != 0
        assert "ServingError" in err
        assert "can be served" in err
        assert said in err


def test_what_does_not_fit_is_told_at_the_start(repository: Repository, bundles: dict[str, Bundle]) -> None:
    port = free_port()
    for path, config, said in (
        (repository.path, {"default_model": "none"}, "serve.default_model must be a model that is live (digits)"),
        (repository.path, {"admin_port": free_port()}, "serve.admin_port needs serve.admin=true"),
        (repository.path, {"admin": True, "port": port, "admin_port": port}, "must be another port than serve.port"),
        (bundles["1"].path, {"admin": True}, "serve.admin=true is for a repository"),
    ):
        server = start(path, **config)
        _, err = server.process.communicate(timeout=SECONDS)
        assert "ConfigError" in err
        assert said in err
