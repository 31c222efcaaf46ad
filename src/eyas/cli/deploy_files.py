"""`eyas deploy k8s|cloudrun|ecs|azure`: the files of `deploy/` for a user's model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyas.cli import completion
from eyas.cli.smoke import BundleOption
from eyas.cli.words import AsJson, find_bundle, tell
from eyas.core.errors import needs_extra

if TYPE_CHECKING:
    from eyas.deploy.release import Release

ImageOption = Annotated[
    str, typer.Option("--image", help="That holds the bundle: by a tag other than latest, or a digest.", metavar="REF")
]
Out = Annotated[Path, typer.Option("--out", help="A new folder for the files.", metavar="DIR")]
Name = Annotated[str | None, typer.Option("--name", help="Of the service; the model's by default.", metavar="NAME")]


def k8s(
    bundle: BundleOption,
    image: ImageOption,
    out: Out = Path("deploy-k8s"),
    overlay: Annotated[
        str | None,
        typer.Option(
            help="gateway (canary by weights), kserve, ray.", metavar="OVERLAY", autocompletion=completion.overlays
        ),
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="monitoring, models-volume, postgres; several times.",
            metavar="PART",
            autocompletion=completion.parts,
        ),
    ] = None,
    namespace: Annotated[str | None, typer.Option(help="Of all that is made.", metavar="NAME")] = None,
    stable: Annotated[
        str | None, typer.Option(help="gateway: the image that is live; --image is the canary.", metavar="REF")
    ] = None,
    weight: Annotated[int, typer.Option(help="gateway: percent of the requests for the canary.", min=0, max=100)] = 0,
    storage: Annotated[
        str | None, typer.Option(help="kserve: where the bundle lies; the volume by default.", metavar="URI")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a kustomization for `kubectl apply -k`: the deployment, its autoscaler, its network policy.

    Example: eyas deploy k8s --bundle model --image registry.example.com/digits:1 --with monitoring --out k8s;
    eyas deploy k8s --bundle model --image IMAGE:2 --overlay gateway --stable IMAGE:1 --weight 10 --out k8s
    """
    release = _release(bundle, image)
    from eyas.deploy.release import parse_image
    from eyas.deploy.rendering import KubernetesChoice, render_kubernetes

    live = parse_image(stable) if stable else None
    choice = KubernetesChoice(overlay, tuple(parts or ()), namespace, live, weight, storage)
    _say(render_kubernetes(release, out, choice), f"kubectl apply -k {out}", as_json)


def cloudrun(
    bundle: BundleOption,
    image: ImageOption,
    out: Out = Path("deploy-cloudrun"),
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Write `service.yaml` of Cloud Run.

    Example: eyas deploy cloudrun --bundle model --image europe-docker.pkg.dev/PROJECT/eyas/digits:1 --out cloudrun
    """
    release = _release(bundle, image)
    from eyas.deploy.rendering import render_cloudrun

    made = render_cloudrun(release, out, name)
    _say(made, f"eyas deploy roll-out cloudrun {out} --bundle {bundle} --project PROJECT --region REGION", as_json)


def ecs(
    bundle: BundleOption,
    image: ImageOption,
    out: Out = Path("deploy-ecs"),
    name: Name = None,
    account: Annotated[str | None, typer.Option(help="Of AWS; the registry's by default.", metavar="ID")] = None,
    region: Annotated[str | None, typer.Option(help="Of AWS; the registry's by default.", metavar="REGION")] = None,
    as_json: AsJson = False,
) -> None:
    """Write `task-definition.json` and `service-parameters.json` of ECS on Fargate.

    Example: eyas deploy ecs --bundle model --image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/digits:1 --out ecs
    """
    release = _release(bundle, image)
    from eyas.deploy.rendering import render_ecs

    made = render_ecs(release, out, name, account, region)
    service = name or release.name
    words = f"--cluster CLUSTER --service {service} --url URL"
    _say(made, f"eyas deploy roll-out ecs {out} --bundle {bundle} {words}", as_json)


def azure(
    bundle: BundleOption,
    image: ImageOption,
    location: Annotated[str, typer.Option(help="Such as westeurope.", metavar="LOCATION")],
    environment: Annotated[str, typer.Option(help="Resource id of the Container Apps environment.", metavar="ID")],
    vault: Annotated[str, typer.Option(help="Key vault that holds the secret eyas-auth.", metavar="NAME")],
    identity: Annotated[
        str,
        typer.Option(help="Resource id of the user-assigned identity that reads it and pulls the image.", metavar="ID"),
    ],
    out: Out = Path("deploy-azure"),
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Write `containerapp.yaml` of Azure Container Apps.

    Example: eyas deploy azure --bundle model --image TEAM.azurecr.io/digits:1 --location westeurope --environment
    /subscriptions/…/managedEnvironments/ml --vault TEAM --identity
    /subscriptions/…/userAssignedIdentities/eyas --out azure
    """
    release = _release(bundle, image)
    from eyas.deploy.rendering import render_azure

    named = {"location": location, "environment": environment, "vault": vault, "identity": identity}
    made = render_azure(release, out, **named, name=name)
    words = "--subscription ID --resource-group GROUP"
    _say(made, f"eyas deploy roll-out azure {out} --bundle {bundle} {words}", as_json)


def _release(bundle: Path, image: str) -> Release:
    with needs_extra("client"):
        from eyas.deploy.release import open_release

    return open_release(find_bundle(bundle), image)


def _say(made: Sequence[Path], then: str, as_json: bool) -> None:
    wrote = [str(path) for path in made]
    tell(as_json, {"wrote": wrote, "next": then}, *(f"wrote {path}" for path in wrote), f"next: {then}")
