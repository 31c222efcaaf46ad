"""Looking at a repository's models, and changing which version is live. Only with `serve.admin=true`.

Who has not said who they are, because the service has no authentication, must be on this machine, and must not be a
page from elsewhere that some browser on this machine shows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from eyas.core.schema import ServeConfig
from eyas.serve.asking import Action, Asking
from eyas.serve.http import JSON, Answer, Endpoint, Handler, Problem, Request
from eyas.serve.reading.json_text import decode
from eyas.serve.schemas import AdminModel, AdminModels
from eyas.serve.service import Service
from eyas.serve.trust import audit
from eyas.serve.trust.near import require_near

LIVE_BODY: dict[str, Any] = {
    JSON: {
        "schema": {
            "type": "object",
            "properties": {"version": {"type": "string", "minLength": 1}},
            "required": ["version"],
            "additionalProperties": False,
        }
    }
}
LOOK_ERRORS = (403, 404, 500, 503)
BODY_ERRORS = (400, 403, 404, 408, 409, 413, 415, 422, 500, 503)
CHANGE_ERRORS = (403, 404, 409, 500, 503)


class _Version(msgspec.Struct, forbid_unknown_fields=True):
    version: str


_decoder = msgspec.json.Decoder(_Version)


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """None, where no repository is served or `serve.admin` is off."""
    asking = service.asking
    if asking is None or not service.config.admin:
        return ()

    async def look(request: Request) -> Answer:
        return await ask(asking, request, "state")

    async def live(request: Request) -> Answer:
        wanted = decode(_decoder, await request.body(), 'the body must be {"version": "…"}')
        return await audited(asking, request, "live", wanted.version)

    async def rollback(request: Request) -> Answer:
        return await audited(asking, request, "rollback")

    async def reload(request: Request) -> Answer:
        return await audited(asking, request, "reload")

    config = service.config
    what = "Which models and versions are there, and what became of them?"
    turn = "Make a version live; answered once every worker has it."
    back = "Make the version live that was live before."
    again = "Look at the repository now, and try again what was refused."
    return (
        admin(config, "GET", "models", what, look, AdminModels, errors=LOOK_ERRORS),
        admin(config, "POST", "models/{model}/live", turn, live, AdminModel, errors=BODY_ERRORS, body=LIVE_BODY),
        admin(config, "POST", "models/{model}/rollback", back, rollback, AdminModel, errors=CHANGE_ERRORS),
        admin(config, "POST", "reload", again, reload, AdminModels, errors=CHANGE_ERRORS),
    )


def admin(
    config: ServeConfig,
    method: str,
    path: str,
    summary: str,
    handler: Handler,
    answer: type[msgspec.Struct],
    **more: Any,
) -> Endpoint:
    """An endpoint under `/admin` that answers admins alone; what it is given is `Endpoint`'s."""
    return Endpoint(method, f"/admin/{path}", summary, _guarded(handler, config), answer, scope="admin", **more)


async def ask(asking: Asking, request: Request, action: Action, version: str = "", **more: Any) -> Answer:
    """Ask the supervisor.

    Args:
        action: that is wanted, of the model that the path names.
        version: that it is about.
        more: as of `Asking.ask`.

    Raises:
        Problem: it came to nothing.
    """
    by = request.subject or f"http from {request.address}"
    told = await asking.ask(action, request.params.get("model", ""), version, by, **more)
    if told.status != 200:
        raise Problem(told.status, told.detail)
    return Answer(bytes(told.body))


async def audited(asking: Asking, request: Request, action: Action, version: str = "", **more: Any) -> Answer:
    """`ask`, and write down what came of it."""
    named = {"model": request.params.get("model"), "version": version, **more}
    facts = {name: value for name, value in named.items() if value}
    try:
        answer = await ask(asking, request, action, version, **more)
    except Problem as problem:
        audit(request, action, status=problem.status, **facts, detail=problem.detail)
        raise
    audit(request, action, status=answer.status, **facts)
    return answer


def _guarded(handler: Handler, config: ServeConfig) -> Callable[[Request], Awaitable[Answer]]:
    async def guarded(request: Request) -> Answer:
        if config.admin_port and request.port != config.admin_port:
            raise Problem(404, f"there is no endpoint {request.path} on this port")
        require_near(request)
        return await handler(request)

    return guarded
