"""What operators see of calls: OpenTelemetry's names of RPC, and of their models the same as over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eyas.serve.http import Request
from eyas.serve.metrics import Meter
from eyas.serve.rpc.codes import code_of

if TYPE_CHECKING:
    from eyas.serve.traces import Traces


class Calls:
    """Counts each call, and makes a span of it where spans are wanted."""

    def __init__(self, meter: Meter, traces: Sequence[Traces]) -> None:
        self._meter, self._traces = meter, traces

    def began(self, request: Request) -> None:
        """OpenTelemetry has no metric of calls at hand; the model's own counts this one once it is known."""

    def ended(self, request: Request, status: int) -> None:
        """It was answered."""
        code, method = code_of(status).name, request.path[1:]
        self._meter.called(request, status, code)
        for traces in self._traces:
            facts: dict[str, str | int] = {
                "rpc.system.name": "grpc",
                "rpc.method": method,
                "rpc.response.status_code": code,
            }
            traces.add(request, method, facts, failed=status >= 500)

    def refused(self, reason: str, address: str) -> None:
        """gRPC's library looks after connections, and does not tell."""
