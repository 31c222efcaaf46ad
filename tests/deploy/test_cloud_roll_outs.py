"""Cloud Run and Azure Container Apps: deployed beside what is live, tested, shifted, or taken back.

The APIs are local servers that keep state and rules as the clouds' documents have them; the revisions are real servers.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from eyas.cli.deploy_roll_out import _suffix
from eyas.core.errors import ConfigError, ServiceError, ServingError
from eyas.deploy.release import open_release
from eyas.deploy.rendering import render_azure, render_cloudrun
from eyas.deploy.shifting import roll_out
from eyas.deploy.shifting.api import Api
from eyas.deploy.shifting.azure import ContainerApp
from eyas.deploy.shifting.azure import suffix_room as container_apps_room
from eyas.deploy.shifting.cloudrun import CloudRun
from eyas.deploy.shifting.cloudrun import suffix_room as cloud_run_room
from eyas.deploy.shifting.tokens import Token
from support import cloudrun as google
from support import container_apps as microsoft
from support.bundles import make_bundle
from support.certificates import make_certificate, server_context
from support.cloudrun import CloudRunFake, cloudrun
from support.container_apps import ContainerAppFake, container_apps
from support.json_server import Answer, Asked, as_json, serving
from support.live import Live, eyas, live_servers
from support.loaded import loaded_eyas
from support.waiting import wait_until

PROJECT, GROUP = "shop", "/subscriptions/1234/resourceGroups/ml"
IMAGE = "registry.example.com/team/digits"
QUICK = ("--requests", 3, "--poll", 0.02, "--timeout", 20, "--wait", 1)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_servers(tmp_path_factory.mktemp("live")) as made:
        yield made


def images(live: Live) -> dict[str, str]:
    return {f"{IMAGE}:{name}": url for name, url in live.urls.items()}


@pytest.fixture
def run(live: Live) -> Iterator[CloudRunFake]:
    with cloudrun(PROJECT, images(live)) as fake:
        yield fake


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return make_certificate(tmp_path)


@pytest.fixture
def apps(live: Live, certificate: tuple[Path, Path]) -> Iterator[ContainerAppFake]:
    path = f"{GROUP}/providers/Microsoft.App/containerApps/digits"
    with container_apps(path, images(live), server_context(*certificate)) as fake:
        yield fake


@contextmanager
def asking(url: str, token: str) -> Iterator[Api]:
    api = Api(url, lambda: Token(token), poll_seconds=0.02, patience=10)
    try:
        yield api
    finally:
        api.close()


class OnCloudRun:
    def __init__(self, fake: CloudRunFake, live: Live, folder: Path) -> None:
        self.fake, self.live, self.folder = fake, live, folder
        self.env = {"CLOUDSDK_AUTH_ACCESS_TOKEN": google.TOKEN}

    def words(self, tag: str, bundle: str) -> list[object]:
        files = self.folder / f"{tag}-{len([*self.folder.iterdir()])}"
        render_cloudrun(open_release(self.live.bundles[bundle], f"{IMAGE}:{tag}"), files)
        where = ("--project", PROJECT, "--region", "europe-west1", "--endpoint", self.fake.url)
        return ["deploy", "roll-out", "cloudrun", files, "--bundle", self.live.bundles[bundle], *where, *QUICK]

    @contextmanager
    def platform(self, tag: str, bundle: str) -> Iterator[CloudRun]:
        wanted = yaml.safe_load((Path(str(self.words(tag, bundle)[3])) / "service.yaml").read_text())
        with asking(self.fake.url, google.TOKEN) as api:
            yield CloudRun(api, PROJECT, wanted, "mine")

    def serves(self) -> dict[str, int]:
        return {self.fake.image_of(name).rpartition(":")[2]: share for name, share in self.fake.weights.items()}


class OnAzure:
    def __init__(self, fake: ContainerAppFake, live: Live, folder: Path, certificate: Path) -> None:
        self.fake, self.live, self.folder = fake, live, folder
        self.env = {"AZURE_ACCESS_TOKEN": microsoft.TOKEN, "SSL_CERT_FILE": str(certificate)}

    def words(self, tag: str, bundle: str) -> list[object]:
        files = self.folder / f"{tag}-{len([*self.folder.iterdir()])}"
        release = open_release(self.live.bundles[bundle], f"{IMAGE}:{tag}")
        environment = f"{GROUP}/managedEnvironments/ml"
        identity = f"{GROUP}/userAssignedIdentities/eyas"
        render_azure(release, files, location="westeurope", environment=environment, vault="ml", identity=identity)
        app = ("--subscription", "1234", "--resource-group", "ml", "--endpoint", self.fake.url)
        return ["deploy", "roll-out", "azure", files, "--bundle", self.live.bundles[bundle], *app, *QUICK]

    @contextmanager
    def platform(self, tag: str, bundle: str) -> Iterator[ContainerApp]:
        wanted = yaml.safe_load((Path(str(self.words(tag, bundle)[3])) / "containerapp.yaml").read_text())
        with asking(self.fake.url, microsoft.TOKEN) as api:
            yield ContainerApp(api, "1234", "ml", wanted, "mine")

    def serves(self) -> dict[str, int]:
        tags = {
            name: one["template"]["containers"][0]["image"].rpartition(":")[2]
            for name, one in self.fake.revisions.items()
        }
        return {tags[name]: weight for name, weight in self.fake.weights.items() if weight}


Cloud = OnCloudRun | OnAzure


@pytest.fixture(params=["cloudrun", "azure"])
def empty(request: pytest.FixtureRequest, live: Live, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """With nothing in it."""
    folder = tmp_path_factory.mktemp("files")
    if request.param == "cloudrun":
        return OnCloudRun(request.getfixturevalue("run"), live, folder)
    certificate, _ = request.getfixturevalue("certificate")
    return OnAzure(request.getfixturevalue("apps"), live, folder, certificate)


@pytest.fixture
def cloud(empty: Cloud) -> Cloud:
    """With version 1 live, by a roll-out."""
    said = eyas(*empty.words("old", "old"), env=empty.env)
    assert "live: nothing" in said
    assert empty.serves() == {"old": 100}
    return empty


def test_a_first_deployment_that_fails_does_not_hold_up_the_next(empty: Cloud) -> None:
    assert "says of" in eyas(*empty.words("missing", "old"), env=empty.env, code=7)
    assert empty.serves() == {}
    said = eyas(*empty.words("new", "new"), env=empty.env)
    assert "live: nothing" in said
    assert empty.serves() == {"new": 100}


def test_a_good_revision_takes_over_by_degrees(cloud: Cloud) -> None:
    said = eyas(*cloud.words("new", "new"), env=cloud.env)
    steps = [line.partition(" has ")[2].split()[0] for line in said.splitlines() if " has " in line]
    assert steps == ["10", "50", "100"]
    assert "without traffic" in said
    assert cloud.serves() == {"new": 100}


@pytest.mark.parametrize(
    ("tag", "why"), [("wrong", "golden predictions"), ("old", "version: must be 2, is 1"), ("missing", "says of")]
)
def test_a_bad_revision_never_gets_traffic(cloud: Cloud, tag: str, why: str) -> None:
    said = eyas(*cloud.words(tag, "new"), env=cloud.env, code=7)
    assert why in said
    assert "is live again" in said
    assert " has 10 %" not in said
    assert cloud.serves() == {"old": 100}
    eyas(*cloud.words("new", "new"), env=cloud.env)  # and the next one is not held up by it
    assert cloud.serves() == {"new": 100}


def test_what_fails_with_all_the_traffic_is_taken_back(cloud: Cloud) -> None:
    """The front door is another one than the revision's own: here it loses the answers of the new revision."""
    fake = cloud.fake
    urls = fake.plain if isinstance(fake, ContainerAppFake) else fake.images
    real = dict(urls)

    def lose_the_front_door() -> bool:
        weights = fake.weights
        return len(weights) == 1 and cloud.serves() == {"new": 100}

    process = subprocess.Popen(
        [loaded_eyas(), *map(str, cloud.words("new", "new")), "--hold", "0.5"],
        env=os.environ | cloud.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lose_the_front_door, 60)
    for name in urls:
        urls[name] = real[name].replace("127.0.0.1", "127.0.0.2")  # nobody there
    said, _ = process.communicate(timeout=120)
    urls.update(real)
    assert process.returncode == 7, said
    assert " has 50 %" in said
    assert cloud.serves() == {"old": 100}


def test_a_stopped_roll_out_gives_the_traffic_back(cloud: Cloud) -> None:
    process = subprocess.Popen(
        [loaded_eyas(), *map(str, cloud.words("new", "new")), "--hold", "60"],
        env=os.environ | cloud.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: cloud.serves().get("new") == 10, 60)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 7, said
    assert "KeyboardInterrupt" in said
    assert cloud.serves() == {"old": 100}


def test_a_token_is_needed_and_never_told(cloud: Cloud, tmp_path: Path) -> None:
    variable = next(name for name in cloud.env if name.endswith("TOKEN"))
    bad = cloud.env | {variable: "a-secret-that-is-wrong"}
    said = eyas(*cloud.words("new", "new"), env=bad, code=7)
    assert "gave 401" in said
    assert "a-secret" not in said
    file = tmp_path / "token"
    good = cloud.env[variable]
    file.write_text(json.dumps({"accessToken": good}) if variable.startswith("AZURE") else f"{good}\n")
    rest = {name: value for name, value in cloud.env.items() if name != variable}
    said = eyas(*cloud.words("new", "new"), env=rest | {f"{variable}_FILE": str(file)})
    assert good not in said
    assert cloud.serves() == {"new": 100}


@pytest.mark.parametrize("left", ["second", "other"])
def test_a_token_that_has_run_out_is_asked_for_again_once_a_request(left: str) -> None:
    asked: list[str] = []

    def answer(one: Asked) -> Answer:
        asked.append(one.headers["authorization"])
        return as_json(200 if asked[-1] == "Bearer second" else 401, {})

    tokens = iter([Token("first"), Token(left)])
    with serving(answer) as url:
        api = Api(url, lambda: next(tokens))
        if left == "second":
            api.send("PUT", "/")
            api.send("PUT", "/")
        else:
            with pytest.raises(ServiceError, match="gave 401"):
                api.send("PUT", "/")
        api.close()
    assert asked == ["Bearer first", f"Bearer {left}", "Bearer second"][: 3 if left == "second" else 2]


@pytest.mark.parametrize(("asked", "waited"), [("7", 7), ("86400", 15)])
def test_a_busy_api_is_asked_again_when_it_says(asked: str, waited: float, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("eyas.deploy.shifting.api.sleep", pauses.append)
    answers = iter([httpx.Response(503, headers={"Retry-After": asked}), httpx.Response(200, json={})])
    api = Api("http://127.0.0.1:9", lambda: Token("mine"))
    monkeypatch.setattr(api, "_request", lambda *_: next(answers))
    assert api.get("/") == {}
    assert pauses == [waited]
    api.close()


def test_a_token_goes_to_no_other_machine_in_the_open(live: Live, run: CloudRunFake, tmp_path: Path) -> None:
    words = OnCloudRun(run, live, tmp_path).words("new", "new")
    words[words.index(run.url)] = "http://run.example.com"
    assert "--endpoint must be https" in eyas(*words, env={"CLOUDSDK_AUTH_ACCESS_TOKEN": "x"}, code=2)


def test_cloud_run_is_asked_again_where_it_is_busy(live: Live, run: CloudRunFake, tmp_path: Path) -> None:
    on = OnCloudRun(run, live, tmp_path)
    run.busy = 3
    eyas(*on.words("old", "old"), env=on.env)
    assert on.serves() == {"old": 100}


def test_who_deploys_meanwhile_is_not_overrun(live: Live, run: CloudRunFake, tmp_path: Path) -> None:
    on = OnCloudRun(run, live, tmp_path)
    eyas(*on.words("old", "old"), env=on.env)
    with on.platform("new", "new") as mine:
        mine.live()
        eyas(*on.words("new", "new"), env=on.env)
        with pytest.raises(ServiceError, match="409: Conflict"):
            mine.deploy()
        assert not mine.changed
    assert on.serves() == {"new": 100}


def test_traffic_that_somebody_else_has_changed_is_theirs(cloud: Cloud) -> None:
    with cloud.platform("new", "new") as mine:
        live = mine.live()
        revision = mine.deploy()
        mine.shift(revision, 10)
        assert cloud.serves() == {"old": 90, "new": 10}
        eyas(*cloud.words("wrong", "wrong"), env=cloud.env)
        with pytest.raises(ServingError, match="somebody else has changed the traffic"):
            mine.shift(revision, 50)
        assert mine.changed
        assert mine.put_back(live, revision) is False
    assert cloud.serves() == {"wrong": 100}


def test_superseded_revisions_of_azure_are_stopped_but_for_one(
    live: Live, apps: ContainerAppFake, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    on = OnAzure(apps, live, tmp_path, certificate[0])
    for number in range(3):
        with on.platform("new", "new") as mine:
            mine._suffix = f"n{number}"
            roll_out(mine, lambda url: None, lambda line: None)
    assert [one["active"] for one in apps.revisions.values()] == [False, True, True]


@pytest.mark.parametrize("length", [1, 32, 40])
@pytest.mark.parametrize("version", ["2026.03.04-rc.1", "1"])
def test_the_longest_names_of_revisions_fit(live: Live, length: int, version: str, tmp_path: Path) -> None:
    bundle, name = make_bundle(tmp_path / "bundle", version=version).path, "a" * length
    azure = _suffix(bundle, container_apps_room({"name": name[:32]}))
    assert re.fullmatch("[a-z][a-z0-9-]*[a-z0-9]", azure)
    assert len(f"{name[:32]}--{azure}") <= 54
    google = _suffix(bundle, cloud_run_room({"metadata": {"name": name}}))
    assert len(f"{name}-{google}") <= 63
    with pytest.raises(ConfigError, match="choose a shorter --name"):
        _suffix(bundle, cloud_run_room({"metadata": {"name": "a" * 52}}))


@pytest.mark.parametrize("end", ["Failed", "Canceled", "Succeeded"])
def test_azure_is_not_believed_that_the_traffic_is_back(
    live: Live, apps: ContainerAppFake, certificate: tuple[Path, Path], tmp_path: Path, end: str
) -> None:
    on = OnAzure(apps, live, tmp_path, certificate[0])
    eyas(*on.words("old", "old"), env=on.env)
    with on.platform("new", "new") as mine:
        before = mine.live()
        revision = mine.deploy()
        mine.shift(revision, 10)
        apps.lost = [end]
        with pytest.raises(ServingError, match="Azure says"):
            mine.put_back(before, revision)
        assert on.serves() == {"old": 90, "new": 10}
        assert apps.revisions[revision.name]["active"]
        assert mine.put_back(before, revision)  # whatever state the one before has left
    assert on.serves() == {"old": 100}
    assert not apps.revisions[revision.name]["active"]


def test_the_tags_of_others_are_kept(live: Live, run: CloudRunFake, tmp_path: Path) -> None:
    on = OnCloudRun(run, live, tmp_path)
    eyas(*on.words("old", "old"), env=on.env)
    traffic = run.services["digits"]["status"]["traffic"]
    traffic.append({"revisionName": traffic[0]["revisionName"], "tag": "stable", "percent": 0})
    eyas(*on.words("new", "new"), env=on.env)
    assert {one.get("tag") for one in run.services["digits"]["status"]["traffic"]} == {"candidate", "stable"}
    assert on.serves() == {"new": 100}
