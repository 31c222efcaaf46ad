"""The files of the three clouds for one release."""

from __future__ import annotations

import re
from pathlib import Path

from eyas.core.errors import ConfigError
from eyas.deploy.release import Image, Release, fitting_name
from eyas.deploy.rendering.filling import fill

ECR = re.compile(r"(?P<account>[0-9]{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
AZURE_NAME = 32
TASK_DEFINITION, PARAMETERS = "task-definition.json", "service-parameters.json"
CLOUDRUN_SERVICE, CONTAINER_APP = "service.yaml", "containerapp.yaml"


def render_cloudrun(release: Release, target: Path, name: str | None = None) -> list[Path]:
    """`service.yaml` of Cloud Run.

    Args:
        name: of the service; the model's where None.

    Raises:
        ConfigError: a name that Cloud Run does not take; the target exists.
    """
    return fill("cloudrun", [CLOUDRUN_SERVICE], _values(release, name), target)


def render_ecs(
    release: Release, target: Path, name: str | None = None, account: str | None = None, region: str | None = None
) -> list[Path]:
    """`task-definition.json` and `service-parameters.json` of ECS on Fargate.

    Args:
        name: of the family and the service; the model's where None.
        account, region: of AWS; those of the image's registry where None.

    Raises:
        ConfigError: neither says the account and region; the target exists.
    """
    registry = ecr_of(release.image)
    account = account or (registry["account"] if registry else None)
    region = region or (registry["region"] if registry else None)
    if not account or not region:
        raise ConfigError(
            f"{release.image} lies in no ECR registry, which would say them: name --account and --region of AWS"
        )
    values = _values(release, name) | {"ACCOUNT": account, "REGION": region}
    return fill("ecs", [TASK_DEFINITION, PARAMETERS], values, target)


def render_azure(
    release: Release,
    target: Path,
    *,
    location: str,
    environment: str,
    vault: str,
    identity: str,
    name: str | None = None,
) -> list[Path]:
    """`containerapp.yaml` of Azure Container Apps.

    Args:
        location: such as `westeurope`.
        environment: the resource id of the Container Apps environment.
        vault: the name of the key vault that holds the secret `eyas-auth`.
        identity: the resource id of the user-assigned identity that reads it and pulls the image. The app's own would
            exist only once the app does, which needs both.
        name: of the app; the model's where None.

    Raises:
        ConfigError: an environment or identity that is no resource id; the target exists.
    """
    if not environment.startswith("/subscriptions/"):
        raise ConfigError(f"--environment must be a resource id, /subscriptions/…, got {environment}")
    if not identity.startswith("/subscriptions/"):
        raise ConfigError(f"--identity must be a resource id, /subscriptions/…, got {identity}")
    values = _values(release, fitting_name(name or release.model, AZURE_NAME)) | {
        "LOCATION": location,
        "ENVIRONMENT": environment,
        "VAULT": vault,
        "IDENTITY": identity,
        "REGISTRY": release.image.registry,
    }
    return fill("azure", [CONTAINER_APP], values, target)


def ecr_of(image: Image) -> re.Match[str] | None:
    """Account and region of the image's registry; None where it is not ECR."""
    return ECR.fullmatch(image.registry)


def _values(release: Release, name: str | None) -> dict[str, str]:
    if name is not None and fitting_name(name) != name:
        raise ConfigError(f"--name must be lower case letters, digits and hyphens, a letter first, got {name!r}")
    return {
        "NAME": name or release.name,
        "IMAGE": str(release.image),
        "MODEL": release.model,
        "VERSION": release.version,
        "LABEL": release.label,
    }
