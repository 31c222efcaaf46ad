"""The files of `deploy/` for a user's model: Kubernetes, Cloud Run, ECS, Azure Container Apps."""

from eyas.deploy.rendering.clouds import render_azure, render_cloudrun, render_ecs
from eyas.deploy.rendering.kubernetes import COMPONENTS, OVERLAYS, KubernetesChoice, render_kubernetes

__all__ = [
    "COMPONENTS",
    "OVERLAYS",
    "KubernetesChoice",
    "render_azure",
    "render_cloudrun",
    "render_ecs",
    "render_kubernetes",
]
