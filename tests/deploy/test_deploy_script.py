"""A deployment by its script: the new revision takes over where it is what it should be, and not where it is not."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_place import Place

from support import cloudrun as google
from support import container_apps as microsoft
from support.certificates import make_certificate, server_context
from support.container_apps import container_apps
from support.live import Live, live_servers
from support.waiting import wait_until

PROJECT, IMAGE = "shop", "registry.example.com/team/digits"
MIRROR = "mirror.azurecr.io/digits"
GROUP = "/subscriptions/1234/resourceGroups/ml"
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


@pytest.mark.slow
def test_azure_pulls_by_the_digest_from_the_mirror_and_goes_back(place: Place, live: Live, tmp_path: Path) -> None:
    digests = {name: f"sha256:{number:064}" for number, name in enumerate(live.urls)}
    images = {f"{MIRROR}@{digests[name]}": url for name, url in live.urls.items()}
    certificate = make_certificate(tmp_path)
    path = f"{GROUP}/providers/Microsoft.App/containerApps/digits"
    with container_apps(path, images, server_context(*certificate)) as cloud:
        where = {
            "PULL_FROM": MIRROR,
            "API_ENDPOINT": cloud.url,
            "SSL_CERT_FILE": str(certificate[0]),
            "AZURE_ACCESS_TOKEN": microsoft.TOKEN,
            "AZURE_LOCATION": "westeurope",
            "AZURE_ENVIRONMENT_ID": f"{GROUP}/managedEnvironments/ml",
            "AZURE_VAULT": "ml",
            "AZURE_IDENTITY_ID": f"{GROUP}/userAssignedIdentities/eyas",
            "AZURE_SUBSCRIPTION_ID": "1234",
            "AZURE_RESOURCE_GROUP": "ml",
            "SERVICE_NAME": "digits",
            "LATENCY_MS": "10000",
        }

        def served() -> dict[str, int]:
            of_revision = {name: one["template"]["containers"][0]["image"] for name, one in cloud.revisions.items()}
            return {of_revision[name]: weight for name, weight in cloud.weights.items() if weight}

        place.run("deploy.sh", "azure", f"{IMAGE}@{digests['old']}", live.bundles["old"], **where)
        assert served() == {f"{MIRROR}@{digests['old']}": 100}
        said = place.run("deploy.sh", "azure", f"{IMAGE}@{digests['wrong']}", live.bundles["new"], code=7, **where)
        assert "golden" in said
        assert microsoft.TOKEN not in said
        assert served() == {f"{MIRROR}@{digests['old']}": 100}
        place.run("deploy.sh", "azure", f"{IMAGE}@{digests['new']}", live.bundles["new"], **where)
        assert served() == {f"{MIRROR}@{digests['new']}": 100}
