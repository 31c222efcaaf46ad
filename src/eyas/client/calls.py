"""What a service can be asked: the request, and what its answer must be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
from pydantic import TypeAdapter, ValidationError

from eyas.client.answer import Answer
from eyas.client.exchange import Reply, Steps, exchange
from eyas.client.images import Upload
from eyas.client.patience import Patience
from eyas.core.errors import ServiceError

PROBLEM = "application/problem+json"
ONE_FILE = "application/octet-stream"
NO_TOKEN = "; EYAS_TOKEN must hold a token that is good there, such as `eyas token` issues"
SHOWN = 200  # bytes of an answer that is not what it should be

_answer = TypeAdapter(Answer)


@dataclass(frozen=True)
class Calls:
    """Each method gives the steps that lead to its result, for a client to take."""

    http: httpx.Client | httpx.AsyncClient
    """It builds the requests: it knows the address and the token."""
    patience: Patience

    def predict(self, uploads: Sequence[Upload], model: str, version: str) -> Steps[Answer]:
        """POST /predict: one file as the body, several as a form."""
        if len(uploads) == 1:
            body: dict[str, Any] = {"content": uploads[0].content, "headers": {"Content-Type": ONE_FILE}}
        else:
            body = {"files": [("file", (upload.name, upload.content, ONE_FILE)) for upload in uploads]}
        request = self.http.build_request("POST", "/predict", params=_which(model, version), **body)
        reply = yield from exchange(request, self.patience)
        content = _content(reply)
        try:
            answer = _answer.validate_json(content)
        except ValidationError as error:
            raise _rubbish(reply, "no prediction") from error
        if len(answer) != len(uploads):
            raise _rubbish(reply, f"{len(answer)} predictions for {len(uploads)} images")
        return answer

    def health(self) -> Steps[dict[str, Any]]:
        """GET /health."""
        return (yield from self._get("/health"))

    def model_info(self, model: str, version: str) -> Steps[dict[str, Any]]:
        """GET /model-info."""
        return (yield from self._get("/model-info", _which(model, version)))

    def feedback(self, labels: Mapping[str, str | int], model: str) -> Steps[int]:
        """POST /feedback. A label told twice counts once, so it is safe to try again."""
        told = [{"id": name, "label": label} for name, label in labels.items()]
        request = self.http.build_request("POST", "/feedback", params=_which(model, ""), json={"feedback": told})
        reply = yield from exchange(request, self.patience)
        received = (_load(_content(reply)) or {}).get("received")
        if not isinstance(received, int):
            raise _rubbish(reply, "no receipt")
        return received

    def monitor(self) -> Steps[dict[str, Any]]:
        """GET /monitor."""
        return (yield from self._get("/monitor"))

    def ready(self) -> Steps[bool]:
        """GET /readyz, once: who waits for a service asks again."""
        request = self.http.build_request("GET", "/readyz")
        try:
            reply = yield from exchange(request, replace(self.patience, tries=1))
        except ServiceError:
            return False
        if reply.status in (502, 503, 504):
            return False
        _content(reply)
        return True

    def _get(self, path: str, params: dict[str, str] | None = None) -> Steps[dict[str, Any]]:
        reply = yield from exchange(self.http.build_request("GET", path, params=params), self.patience)
        value = _load(_content(reply))
        if value is None:
            raise _rubbish(reply, "no JSON object")
        return value


def _which(model: str, version: str) -> dict[str, str]:
    return {name: value for name, value in (("model", model), ("version", version)) if value}


def _content(reply: Reply) -> bytes:
    """The body of a 200.

    Raises:
        ServiceError: it is none.
    """
    if reply.status == 200:
        return reply.body
    problem = _load(reply.body) if reply.headers.get("content-type", "").startswith(PROBLEM) else None
    if problem is None:
        moved = f", moved to {reply.headers['location']}" if "location" in reply.headers else ""
        raise _error(reply, f"{reply.status}{moved} {_start(reply)}", {})
    said = str(problem.get("detail") or problem.get("title") or "no detail")
    raise _error(reply, f"{reply.status}: {said}", problem | {"detail": said})


def _load(content: bytes) -> dict[str, Any] | None:
    """A JSON object; None where it is none."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _rubbish(reply: Reply, what: str) -> ServiceError:
    return _error(reply, f"{reply.status} with {what}: {_start(reply)}", {})


def _error(reply: Reply, said: str, problem: dict[str, Any]) -> ServiceError:
    return ServiceError(
        f"{reply.where} gave {said}{NO_TOKEN if reply.status == 401 else ''}",
        status=reply.status,
        detail=str(problem.get("detail", "")),
        pointer=str(problem.get("pointer") or ""),
        request_id=str(problem.get("request_id") or reply.headers.get("x-request-id", "")),
        retry_after=reply.retry_after,
    )


def _start(reply: Reply) -> str:
    """The body's first bytes, control characters escaped."""
    text = reply.body[:SHOWN].decode("utf-8", "replace")
    return f"{text!r}{'…' if len(reply.body) > SHOWN else ''}" if text else "and an empty body"
