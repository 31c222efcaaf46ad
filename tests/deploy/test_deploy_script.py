"""A deployment by its script: the new revision takes over where it is what it should be, and not where it is not."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from pipeline_place import Place

from support import cloudrun as google
from support.live import Live, live_servers
from support.waiting import wait_until

PROJECT, IMAGE = "shop", "registry.example.com/team/digits"
AT_ONCE = 1  # between two looks the script waits two seconds


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_servers(tmp_path_factory.mktemp("live")) as made:
        yield made


def test_it_goes_over_and_back(place: Place, live: Live) -> None:
    images = {f"{IMAGE}:{name}": url for name, url in live.urls.items()}
    with google.cloudrun(PROJECT, images, settle_looks=AT_ONCE) as cloud:
        where = {
            "API_ENDPOINT": cloud.url,
            "GCP_PROJECT": PROJECT,
            "GCP_REGION": "europe-west1",
            "SERVICE_NAME": "digits",
            "CLOUDSDK_AUTH_ACCESS_TOKEN": google.TOKEN,
            "LATENCY_MS": "10000",
        }

        def serves() -> dict[str, int]:
            return {cloud.image_of(name).rpartition(":")[2]: share for name, share in cloud.weights.items()}

        place.run("deploy.sh", "cloudrun", f"{IMAGE}:old", live.bundles["old"], **where)
        assert serves() == {"old": 100}
        place.run("deploy.sh", "cloudrun", f"{IMAGE}:new", live.bundles["new"], **where)
        assert serves() == {"new": 100}
        said = place.run("deploy.sh", "cloudrun", f"{IMAGE}:wrong", live.bundles["new"], code=7, **where)
        assert serves() == {"new": 100}
        assert "golden" in said
        assert google.TOKEN not in said


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_job_goes_back(place: Place, live: Live, first: signal.Signals) -> None:
    """A pipeline sends SIGINT, then SIGTERM, to the script alone."""
    images = {f"{IMAGE}:{name}": url for name, url in live.urls.items()}
    with google.cloudrun(PROJECT, images, settle_looks=AT_ONCE) as cloud:
        where = {
            "API_ENDPOINT": cloud.url,
            "GCP_PROJECT": PROJECT,
            "GCP_REGION": "europe-west1",
            "CLOUDSDK_AUTH_ACCESS_TOKEN": google.TOKEN,
            "LATENCY_MS": "10000",
        }
        place.run("deploy.sh", "cloudrun", f"{IMAGE}:old", live.bundles["old"], **where)
        process = place.start("deploy.sh", "cloudrun", f"{IMAGE}:new", live.bundles["new"], HOLD_SECONDS="100", **where)
        wait_until(lambda: 10 in cloud.weights.values(), 60)
        process.send_signal(first)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 7, said
        assert "is live again" in said
        assert {cloud.image_of(name).rpartition(":")[2] for name in cloud.weights} == {"old"}
