"""The gRPC server of a worker, in the worker's own event loop: one more carrier of an application.

call ─ metadata, deadline ─► Request ─ guards ─ handler, which reads the message ─► Answer ─► message, or code and why
                               └─ observers: counted, logged, a span

To the library the methods take streams, which are the same on the wire: so nothing of a message is read, or in memory,
before the guards have let its sender in. The first message of a stream is all that is read.

Every worker listens on the same port (SO_REUSEPORT): the kernel deals the connections out. What gRPC's library refuses
by itself (more calls at once than `MOST_AT_ONCE`, no such method) comes to nobody here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import grpc
import msgspec

from eyas.core.errors import ServingError
from eyas.serve.http import Answer, Application, Request
from eyas.serve.http.answer import LEFT
from eyas.serve.http.application import Observer
from eyas.serve.http.incoming import LISTS
from eyas.serve.http.listening import in_url
from eyas.serve.http.problems import ProblemDetails
from eyas.serve.http.proxies import Proxies
from eyas.serve.http.request import Head
from eyas.serve.logs import AccessLog
from eyas.serve.rpc.calls import endpoints
from eyas.serve.rpc.codes import code_of
from eyas.serve.rpc.messages import SERVICE
from eyas.serve.rpc.observing import Calls
from eyas.serve.service import Service
from eyas.serve.trust import Gate

if TYPE_CHECKING:
    from eyas.serve.traces import Traces

MOST_AT_ONCE = 64  # calls in a worker
PASSED_ON = ("Retry-After", "WWW-Authenticate")


async def start(service: Service, gate: Gate, traces: Sequence[Traces] = ()) -> Any:
    """A `grpc.aio` server that listens; `await server.stop(seconds)` ends it.

    Raises:
        ServingError: the port cannot be listened on.
    """
    config = service.config
    options = [("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", config.max_body)]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MOST_AT_ONCE)
    observers: list[Observer] = [Calls(service.meter, traces), *([AccessLog()] if config.access_log else [])]
    application = Application(endpoints(service), service.limits, (service.shed, *gate.guards), observers)
    carrier = _Carrier(application, Proxies(config.trusted_proxies))
    handlers = {
        one.path.rpartition("/")[2]: grpc.stream_unary_rpc_method_handler(carrier.handler(one.path))
        for one in application.endpoints
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    _listen(server, f"{in_url(config.host)}:{config.grpc_port}", gate)
    await server.start()
    return server


def _listen(server: Any, address: str, gate: Gate) -> None:
    try:
        if gate.pem is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, grpc.ssl_server_credentials([gate.pem]))
    except RuntimeError as error:
        raise ServingError(f"cannot listen on {address} (serve.grpc_port): {error}") from error


class _Carrier:
    """Takes calls to the application, and its answers back."""

    def __init__(self, application: Application, proxies: Proxies) -> None:
        self._application, self._proxies = application, proxies

    def handler(self, path: str) -> Callable[[Any, Any], Awaitable[bytes]]:
        """What answers the calls of one method."""
        application = self._application

        async def handle(messages: Any, context: Any) -> bytes:
            request = self._request(path, context)
            answer = Answer(status=LEFT)
            try:
                answer = await application.respond(request)
            except asyncio.CancelledError:
                if (left := context.time_remaining()) is not None and left <= 0:
                    answer = Answer(status=504)  # for the records: the client has given up
                raise
            finally:
                application.ended(request, answer)
            context.set_trailing_metadata(_trailing(request, answer))
            if answer.status != 200:
                why = msgspec.json.decode(answer.body, type=ProblemDetails).detail
                await context.abort(code_of(answer.status), why)
            return answer.body

        return handle

    def _request(self, path: str, context: Any) -> Request:
        headers: dict[bytes, bytes] = {}
        for told, value in context.invocation_metadata():
            name, text = told.encode(), value if isinstance(value, bytes) else value.encode("latin-1", "replace")
            headers[name] = b", ".join((headers[name], text)) if name in LISTS and name in headers else text
        address = self._proxies.client(address_of(context.peer()), headers)
        limits, left = self._application.limits, context.time_remaining()
        if left is not None and left < limits.seconds:
            limits = msgspec.structs.replace(limits, seconds=left)
        return Request(Head("POST", path, b"", headers, address), _Message(context), limits)


class _Message:
    """The message of a call, as the body of its request."""

    whole = None

    def __init__(self, context: Any) -> None:
        self._context = context
        self._read = False

    async def piece(self) -> bytes:
        if self._read:
            return b""
        self._read = True
        message = await self._context.read()
        if message is grpc.aio.EOF:  # none came, or it was above `serve.max_body_mb`
            raise ConnectionAbortedError
        return bytes(message)

    async def left(self) -> None:
        """A call whose client has gone is cancelled by the library."""
        await asyncio.get_running_loop().create_future()


def _trailing(request: Request, answer: Answer) -> list[tuple[str, str]]:
    """Metadata behind an answer: what HTTP has in its headers."""
    told = [("x-request-id", request.id)]
    if request.prediction:
        told.append(("x-prediction-id", request.prediction))
    return told + [(name.lower(), answer.headers[name]) for name in PASSED_ON if name in answer.headers]


def address_of(peer: str) -> str:
    """The address in gRPC's word for who calls, such as `ipv4:192.0.2.1:80` or `ipv6:%5B2001:db8::1%5D:80`."""
    kind, _, where = unquote(peer).partition(":")
    return where.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else "unknown"
