"""ECS and ECR by real boto3 against moto's server: rolled over, and put back where the smoke test fails.

boto3 and moto do not fit requirements.lock: `make deploy-check` puts them into a folder of their own, and runs this.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_place import Place

from eyas.deploy.release import open_release
from eyas.deploy.rendering import render_ecs
from support.aws import ACCOUNT, ENVIRONMENT, REGION, MotoAws, moto_aws
from support.live import Live, eyas, live_servers
from support.waiting import wait_until

REASON = "boto3 and moto do not fit requirements.lock: make deploy-check"
pytest.importorskip("boto3", reason=REASON)
pytest.importorskip("moto", reason=REASON)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:moto", "ignore::DeprecationWarning:botocore")
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
IMAGE = f"{REGISTRY}/digits"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_servers(tmp_path_factory.mktemp("live")) as made:
        yield made


@pytest.fixture
def aws() -> Iterator[MotoAws]:
    """An account with three images in ECR."""
    with moto_aws() as made:
        ecr = made.client("ecr")
        ecr.create_repository(repositoryName="digits")
        for tag in ("1", "2", "broken"):
            ecr.put_image(repositoryName="digits", imageTag=tag, imageManifest=json.dumps(manifest(tag)))
        yield made


@pytest.fixture
def old(aws: MotoAws, live: Live, tmp_path: Path) -> str:
    """The task definition that is live, by the rendered files."""
    files = rendered(live, tmp_path, "old", "1")
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="prod")
    task = json.loads((files / "task-definition.json").read_text())
    made: str = ecs.register_task_definition(**task)["taskDefinition"]["taskDefinitionArn"]
    parameters = json.loads((files / "service-parameters.json").read_text())
    network = aws.client("ec2")
    parameters["networkConfiguration"]["awsvpcConfiguration"] |= {  # what the file leaves to its reader
        "subnets": [network.describe_subnets()["Subnets"][0]["SubnetId"]],
        "securityGroups": [network.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
    }
    ecs.create_service(cluster="prod", **parameters)
    wait_until(lambda: aws.history == [made], 20)
    return made


def manifest(tag: str) -> dict[str, Any]:
    """Of an image, which has the tag's own digest."""
    kind = "application/vnd.oci.image.manifest.v1+json"
    config = {"digest": "sha256:" + "0" * 64, "size": 1, "mediaType": "application/vnd.oci.image.config.v1+json"}
    return {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [], "annotations": {"tag": tag}}


def rendered(live: Live, folder: Path, bundle: str, tag: str) -> Path:
    files = folder / f"{bundle}-{tag}"
    render_ecs(open_release(live.bundles[bundle], f"{IMAGE}:{tag}"), files)
    return files


def roll_out(aws: MotoAws, live: Live, files: Path, url: str, *, code: int = 0) -> str:
    where = ("--cluster", "prod", "--service", "digits", "--url", url)
    quick = ("--requests", 3, "--poll", 0.05, "--timeout", 30, "--wait", 1)
    words = ("deploy", "roll-out", "ecs", files, "--bundle", live.bundles["new"], *where, *quick)
    return eyas(*words, env=aws.environment, code=code)


def is_live(aws: MotoAws) -> Any:
    service = aws.client("ecs").describe_services(cluster="prod", services=["digits"])["services"][0]
    assert [one["taskDefinition"] for one in service["deployments"]] == [service["taskDefinition"]]
    assert service["runningCount"] == service["desiredCount"] == 2
    return service["taskDefinition"]


def test_the_new_task_definition_goes_live_by_its_digest(aws: MotoAws, live: Live, old: str, tmp_path: Path) -> None:
    said = roll_out(aws, live, rendered(live, tmp_path, "new", "2"), live.urls["new"])
    now = is_live(aws)
    assert now != old
    assert f"{now} has 100 %" in said
    task = aws.client("ecs").describe_task_definition(taskDefinition=now)["taskDefinition"]
    pushed = aws.client("ecr").describe_images(repositoryName="digits", imageIds=[{"imageTag": "2"}])["imageDetails"][0]
    assert task["containerDefinitions"][0]["image"] == f"{IMAGE}@{pushed['imageDigest']}"


@pytest.mark.parametrize("answering", ["old", "wrong"])
def test_a_failing_smoke_test_ends_with_the_old_task_definition_live(
    aws: MotoAws, live: Live, old: str, tmp_path: Path, answering: str
) -> None:
    said = roll_out(aws, live, rendered(live, tmp_path, "new", "2"), live.urls[answering], code=7)
    assert "golden predictions" in said
    assert f"{old} 100 % is live again" in said
    assert is_live(aws) == old
    new = aws.history[-2]
    assert aws.history[-3:] == [old, new, old]  # it was really there in between
    assert new != old


def test_tasks_that_do_not_start_are_taken_back(aws: MotoAws, live: Live, old: str, tmp_path: Path) -> None:
    ecr = aws.client("ecr")
    found = ecr.describe_images(repositoryName="digits", imageIds=[{"imageTag": "broken"}])["imageDetails"][0]
    aws.broken.add(f"{IMAGE}@{found['imageDigest']}")
    said = roll_out(aws, live, rendered(live, tmp_path, "new", "broken"), live.urls["new"], code=7)
    assert "circuit breaker" in said
    assert is_live(aws) == old


def test_an_image_that_ecr_lacks_is_told_before_anything_changes(
    aws: MotoAws, live: Live, old: str, tmp_path: Path
) -> None:
    said = roll_out(aws, live, rendered(live, tmp_path, "new", "3"), live.urls["new"], code=7)
    assert f"ECR does not have the image {IMAGE}:3" in said
    definitions = aws.client("ecs").list_task_definitions(familyPrefix="digits")["taskDefinitionArns"]
    assert definitions == [old]


def test_a_service_that_is_not_there_is_told(aws: MotoAws, live: Live, tmp_path: Path) -> None:
    aws.client("ecs").create_cluster(clusterName="prod")
    said = roll_out(aws, live, rendered(live, tmp_path, "new", "2"), live.urls["new"], code=7)
    assert "there is no service digits in the cluster prod" in said
    assert "create-service" in said


def test_the_script_goes_over_and_back(aws: MotoAws, live: Live, old: str, place: Place) -> None:
    """By the image that the pipeline pushed to another registry, which ECR mirrors: the digest is the same."""
    found = aws.client("ecr").describe_images(repositoryName="digits", imageIds=[{"imageTag": "2"}])["imageDetails"][0]
    image = f"{IMAGE}@{found['imageDigest']}"
    where = {
        "PULL_FROM": IMAGE,
        "AWS_ACCOUNT": ACCOUNT,
        "ECS_CLUSTER": "prod",
        "ECS_SERVICE": "digits",
        "SERVICE_NAME": "digits",
        "LATENCY_MS": "10000",
        **aws.environment,
    }
    pushed = f"ghcr.io/team/digits@{found['imageDigest']}"
    words = ("deploy.sh", "ecs", pushed, live.bundles["new"])
    said = place.run(*words, code=7, SERVICE_URL=live.urls["wrong"], **where)
    assert f"{old} 100 % is live again" in said
    assert is_live(aws) == old
    place.run(*words, SERVICE_URL=live.urls["new"], **where)
    task = aws.client("ecs").describe_task_definition(taskDefinition=is_live(aws))["taskDefinition"]
    assert task["containerDefinitions"][0]["image"] == image


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_doctor_says_where_credentials_and_region_come_from(tmp_path: Path, variable: str) -> None:
    nothing = dict.fromkeys((*ENVIRONMENT, "AWS_SESSION_TOKEN"), "")
    nothing |= {name: str(tmp_path / "none") for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")}
    nothing |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    found = looked_at_aws(nothing, code=2)
    assert found["boto3"]["ok"]
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in found["credentials"]["said"]
    assert "set AWS_REGION" in found["a region"]["said"]
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "a-secret-of-ours"}
    found = looked_at_aws(nothing | keys | {variable: REGION})
    assert all(one["ok"] for one in found.values())
    assert (found["credentials"]["said"], found["a region"]["said"]) == ("by env", REGION)
    assert "a-secret-of-ours" not in str(found)
    found = looked_at_aws(nothing | keys | {"AWS_PROFILE": "nobody"}, code=2)
    assert found["credentials"]["said"] == "The config profile (nobody) could not be found"


def looked_at_aws(env: dict[str, str], *, code: int = 0) -> dict[str, Any]:
    said = eyas("deploy", "doctor", "ecs", "--json", env=env, code=code)
    return {one["what"]: one for one in json.JSONDecoder().raw_decode(said)[0]}
