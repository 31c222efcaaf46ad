"""What the workers have counted, for Prometheus."""

from __future__ import annotations

from eyas.serve.http import Answer, Endpoint, Request
from eyas.serve.metrics import Tables, render
from eyas.serve.metrics.exposition import MEDIA_TYPE


def endpoints(tables: Tables) -> tuple[Endpoint, ...]:
    """All workers' numbers, whichever of them is asked."""

    async def metrics(request: Request) -> Answer:
        return Answer(render(tables), media_type=MEDIA_TYPE)

    text = {"text/plain": {"schema": {"type": "string"}}}
    return (Endpoint("GET", "/metrics", "Numbers for Prometheus, of all workers.", metrics, answers=text),)
