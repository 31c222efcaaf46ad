"""A platform's front door: it passes each request on to one of the revisions, by their weights."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import httpx

from support.json_server import Answer, Asked, as_json, serving

PASSED_ON = ("content-type", "authorization", "accept")


@contextmanager
def front(
    weights: Callable[[], Mapping[str, int]], addresses: Mapping[str, str], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Its URL.

    Args:
        weights: percents by revision, as they are now.
        addresses: of the revisions.
    """
    given: dict[str, float] = {}

    def answer(asked: Asked) -> Answer:
        now = {name: weight for name, weight in weights().items() if weight}
        if not now:
            return as_json(503, {"message": "no revision"})
        chosen = min(now, key=lambda name: (given.get(name, 0) + 1) / now[name])  # each as often as its weight has it
        given[chosen] = given.get(chosen, 0) + 1
        headers = {name: asked.headers[name] for name in PASSED_ON if name in asked.headers}
        got = client.request(asked.method, addresses[chosen] + asked.path, headers=headers, content=asked.body)
        return got.status_code, got.headers.get("content-type", ""), got.content

    with httpx.Client(timeout=10) as client, serving(answer, tls) as url:
        yield url
