"""HTTP services by host name, answered by an ASGI application of the user's; TLS is accepted, without certificates.

One request at a time on a connection, kept alive (HTTP/1.1 by h11).  That a request has arrived, and that its answer
has, are external events of the connection's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import h11

from ...clients.asgi import Application
from .base import DELAY, StandIn

__all__ = ("HttpService",)

PORTS = {"http": 80, "https": 443}


class _Protocol(asyncio.Protocol):
    """One connection of a client library's."""

    def __init__(self, app: Application, scheme: str, address: tuple[str, int]) -> None:
        self._app = app
        self._scheme = scheme
        self._address = address
        self._connection = h11.Connection(h11.SERVER)
        self._request: h11.Request
        self._body: list[bytes] = []
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._connection.receive_data(data)
        self._go_on()

    def eof_received(self) -> None:
        self._connection.receive_data(b"")

    def connection_lost(self, error: BaseException | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def _go_on(self) -> None:
        while True:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError:
                self._transport.close()
                return
            if isinstance(event, h11.Request):
                self._request, self._body = event, []
                if self._connection.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
            elif isinstance(event, h11.Data):
                self._body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._task = asyncio.get_running_loop().create_task(self._answer())
                return
            else:
                return

    def _send(self, event: h11.Event) -> None:
        data = self._connection.send(event)
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _scope(self) -> dict[str, Any]:
        parts = urlsplit(self._request.target)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self._request.method.decode(),
            "scheme": self._scheme,
            "path": unquote(parts.path.decode()),
            "raw_path": parts.path,
            "query_string": parts.query,
            "root_path": "",
            "headers": list(self._request.headers),
            "client": self._transport.get_extra_info("peername"),
            "server": self._address,
            "state": {},
            "extensions": {},
        }

    async def _answer(self) -> None:
        messages = [{"type": "http.request", "body": b"".join(self._body), "more_body": False}]
        started: dict[str, Any] = {"status": 500}
        pieces: list[bytes] = []

        async def receive() -> Any:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            elif message["type"] == "http.response.body":
                pieces.append(message.get("body", b""))

        try:
            await self._app(self._scope(), receive, send)
        finally:  # an application that fails is heard of too: its client gets a 500, or what there is
            self._respond(started, b"".join(pieces))

    def _respond(self, started: dict[str, Any], body: bytes) -> None:
        if self._transport.is_closing():
            return
        headers = [(name, value) for name, value in started.get("headers", ()) if name.lower() != b"content-length"]
        length = (b"content-length", b"%d" % len(body))
        self._send(h11.Response(status_code=started["status"], headers=[*headers, length]))
        if body and self._request.method != b"HEAD":
            self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())
        if self._connection.our_state is h11.MUST_CLOSE:
            self._transport.close()
        else:
            self._connection.start_next_cycle()
            self._go_on()


class HttpService(StandIn):
    """``HttpService("https://api.example.com", app)``: an ASGI application answers what is asked of that host.

    Its lifespan is not run.  What it keeps, it keeps from one execution to the next; so where it keeps anything, say
    ``make=``, a function that is called for a new application in each.
    """

    def __init__(
        self,
        url: str,
        app: Application | None = None,
        *,
        make: Callable[[], Application] | None = None,
        delay: float = DELAY,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or parts.hostname is None or (app is None) == (make is None):
            raise ValueError(f'HttpService({url!r}): say "http://host" or "https://host", and app or make')
        super().__init__(parts.hostname, parts.port or PORTS[parts.scheme], delay)
        self._scheme = parts.scheme
        self._app = app
        self._make = make

    def serving(self) -> Callable[[], asyncio.BaseProtocol]:
        app = self._make() if self._make is not None else self._app
        assert app is not None
        return lambda: _Protocol(app, self._scheme, (self.host, self.port))
