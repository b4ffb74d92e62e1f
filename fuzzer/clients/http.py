"""One HTTP request of a simulated client: to an ASGI application called directly, or to whatever listens.

The request's arrival is an external event, and so is its answer's.  ASGI specification, "HTTP" (version 2.3).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any
from urllib.parse import unquote, urlsplit

from ..core.http import HttpAnswer, HttpRequest
from ..world import Outer
from ..world.flow import END
from ..world.network import FIRST_CLIENT_PORT
from ..world.server import connection
from ..world.transport import MemoryTransport
from .exchange import Exchange, NoHttpError

__all__ = ("Heard", "ask_asgi", "ask_server")

Heard = Callable[[HttpAnswer], None]
"""Told the answer once it has arrived."""

HOST = "testserver"

Headers = tuple[tuple[str, str], ...]


def _decoded(headers: Any) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def ask_asgi(
    loop: Outer, name: str, number: int, app: Any, state: dict[str, Any], asked: HttpRequest, heard: Heard
) -> None:
    """Call an application's ``http`` scope."""
    parts = urlsplit(asked.path)
    headers = [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in asked.headers]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(b"host", HOST.encode()), (b"content-length", b"%d" % len(asked.body)), *headers],
        "client": ("127.0.0.1", FIRST_CLIENT_PORT + number),
        "server": ("127.0.0.1", 80),
        "state": state.copy(),
        "extensions": {},
    }
    context = copy_context()
    context.run(connection.set, name)
    call = _Call(loop, name, heard)
    loop.external(("request", name), call.begin, app, scope, asked.body, context=context)


class _Call:
    """One request that an application answers."""

    def __init__(self, loop: Outer, name: str, heard: Heard) -> None:
        self._loop = loop
        self._name = name
        self._heard = heard
        self._messages: list[dict[str, Any]] = []
        self._started: Any = None
        self._pieces: list[bytes] = []
        self._told = False

    def begin(self, app: Any, scope: Any, body: bytes) -> None:
        self._messages.append({"type": "http.request", "body": body, "more_body": False})
        self._loop.serve(self._run, app, scope)

    async def _run(self, app: Any, scope: Any) -> None:
        as_io = self._loop.as_io
        try:
            await app(scope, as_io(self._receive), as_io(self._send))
        finally:
            self._tell()

    async def _receive(self) -> Any:
        if self._messages:
            return self._messages.pop()
        return await self._loop.create_future()  # the client waits for its answer

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._started = message
        elif message["type"] == "http.response.body":
            self._pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                self._tell()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            started = self._started or {"status": 500}
            answer = HttpAnswer(started["status"], _decoded(started.get("headers", ())), b"".join(self._pieces))
            self._loop.external(("response", self._name), self._heard, answer)


def ask_server(loop: Outer, name: str, number: int, port: int | None, asked: HttpRequest, heard: Heard) -> None:
    """Send a request to whoever listens on a port, over a connection of its own."""
    loop.dial(name, _Asking(asked, heard), port, number)


class _Asking:
    """The far end of a connection that carries one request."""

    def __init__(self, asked: HttpRequest, heard: Heard) -> None:
        self._asked = asked
        self._heard = heard
        self._exchange: Exchange | None = None
        self._told = False
        self._transport: MemoryTransport | None = None

    def accepted(self, transport: MemoryTransport) -> None:
        self._transport = transport
        self._exchange = Exchange(self._asked, HOST)
        transport.inflow.push(self._exchange.sent)

    def written(self, data: bytes) -> bool:
        return False

    def refused(self) -> None:
        self._tell()

    def received(self, data: bytes) -> None:
        if self._told or self._exchange is None:
            return
        try:
            whole = self._exchange.take(data)
        except NoHttpError:
            whole = True
        if whole:
            self._hang_up()
            self._tell()

    def _hang_up(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.inflow.push(END)

    def lost(self) -> None:
        self._tell()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._heard(self._exchange.answer if self._exchange is not None else HttpAnswer(0))
