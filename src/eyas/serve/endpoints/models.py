"""Which models there are."""

from __future__ import annotations

from eyas.serve.http import Answer, Endpoint, Request, json_answer
from eyas.serve.schemas import ServedModel, ServedModels
from eyas.serve.service import Service


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """The one list."""

    async def models(request: Request) -> Answer:
        loaded = service.models
        found = [
            ServedModel(name, default=name == loaded.default_name, live=versions[0], versions=list(versions))
            for name in loaded.names
            for versions in (loaded.versions(name),)
        ]
        return json_answer(ServedModels(found))

    return (Endpoint("GET", "/models", "Which models and versions can be asked?", models, ServedModels),)
