"""Rollouts: how one stands, and the moves that an admin makes. Only with `serve.admin=true`, as its neighbours."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec

from eyas.rollout import RolloutPlan
from eyas.rollout.actions import ELSEWHERE
from eyas.serve.asking import Action
from eyas.serve.endpoints.admin import BODY_ERRORS, LOOK_ERRORS, admin, ask, audited
from eyas.serve.http import JSON, Answer, Endpoint, Handler, Problem, Request
from eyas.serve.reading.json_text import decode
from eyas.serve.schemas import AdminRollout
from eyas.serve.service import Service

PATH = "models/{model}/rollout"
Text = Annotated[str, msgspec.Meta(min_length=1)]
Body = TypeVar("Body")


class _Move(msgspec.Struct, forbid_unknown_fields=True):
    why: Text


class _Promotion(_Move, forbid_unknown_fields=True):
    force: bool = False


class _Start(msgspec.Struct):
    """What else there is, is the plan's."""

    challenger: Text
    why: Text
    ungated: bool


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """None, where no repository is served or `serve.admin` is off."""
    asking = service.asking
    if asking is None or not service.config.admin:
        return ()

    async def look(request: Request) -> Answer:
        return await ask(asking, request, "rollout")

    async def start(request: Request) -> Answer:
        body = await request.body()
        wanted, values = _read(body, _Start), _read(body, dict[str, Any])
        if not wanted.ungated:
            raise Problem(
                422, "ungated must be true: the gate needs test images, so that only `eyas rollout start` asks it"
            )
        plan = {name: value for name, value in values.items() if name not in _Start.__struct_fields__}
        return await audited(asking, request, "rollout start", wanted.challenger, why=wanted.why, plan=plan)

    async def promote(request: Request) -> Answer:
        wanted = _read(await request.body(), _Promotion)
        return await audited(asking, request, "rollout promote", why=wanted.why, force=wanted.force)

    def move(action: Action) -> Handler:
        async def moving(request: Request) -> Answer:
            return await audited(asking, request, action, why=_read(await request.body(), _Move).why)

        return moving

    def made(method: str, path: str, summary: str, handler: Handler, **more: Any) -> Endpoint:
        return admin(service.config, method, f"{PATH}{path}", summary, handler, AdminRollout, **more)

    def moves(path: str, summary: str, handler: Handler, **more: dict[str, Any]) -> Endpoint:
        return made("POST", path, summary, handler, errors=BODY_ERRORS, body=_body(more, "why"))

    forced = {"force": {"type": "boolean", "description": "Whatever is known of it."}}
    begin = "Let a version take over by degrees, without the gate: only labels can then show that it is no worse."
    return (
        made("GET", "", "How does the last rollout stand, and what led there?", look, errors=LOOK_ERRORS),
        made("POST", "", begin, start, errors=BODY_ERRORS, body=_start_body()),
        moves("/pause", "Leave the shares as they are.", move("rollout pause")),
        moves("/resume", "Let a paused rollout go on.", move("rollout resume")),
        moves("/advance", "Go to the next stage now.", move("rollout advance")),
        moves("/promote", "Make the challenger the live version now.", promote, **forced),
        moves("/rollback", "Give all requests back to the champion now.", move("rollout rollback")),
    )


def _read(body: bytes, kind: type[Body]) -> Body:
    return decode(msgspec.json.Decoder(kind), body, "the body is not what is described")


def _body(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """OpenAPI's `content`, always with a reason."""
    why = {"type": "string", "minLength": 1, "description": "For the history."}
    schema = {"type": "object", "properties": {"why": why} | properties, "required": [*required]}
    return {JSON: {"schema": schema | {"additionalProperties": False}}}


def _start_body() -> dict[str, Any]:
    plan = RolloutPlan.model_json_schema()
    properties = {name: schema for name, schema in plan["properties"].items() if name not in ELSEWHERE}
    properties["windows"]["items"] = plan["$defs"]["BurnWindow"]  # the document has no place for `$defs`
    challenger, ungated = plan["properties"]["challenger"], {"const": True}
    own = {"challenger": challenger, "ungated": ungated}
    return _body(own | properties, "challenger", "ungated", "why")
