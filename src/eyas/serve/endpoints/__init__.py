"""What the service can be asked, by protocol: each module gives its endpoints over one `Service`."""

from __future__ import annotations

from eyas.serve.endpoints import (
    admin,
    batch,
    card,
    explain,
    feedback,
    mlflow,
    models,
    monitor,
    predict,
    predictions,
    rollout,
    v2,
    vertex,
)
from eyas.serve.http import Endpoint
from eyas.serve.service import Service


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """Every documented endpoint. Where Vertex AI is to predict on a path of ours, the path is Vertex AI's."""
    ours = (predict, card, batch, explain, v2, mlflow, models, monitor, feedback, predictions, admin, rollout)
    table = {(one.method, one.path): one for module in ours for one in module.endpoints(service)}
    for one in vertex.endpoints(service):
        if one.method == "POST" or (one.method, one.path) not in table:
            table[one.method, one.path] = one
    return tuple(table.values())


__all__ = ["endpoints"]
