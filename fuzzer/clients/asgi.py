"""A client of an ASGI application, without any bytes: the application's ``websocket`` scope, driven directly.

ASGI specification, "WebSocket" (HTTP and WebSocket protocol, version 2.5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import copy_context
from typing import Any
from urllib.parse import unquote, urlsplit

from ..core.handshake import Frame, Request
from ..core.history import Farewell
from ..core.program import Pace
from ..core.stacks import unwrapped
from ..world import Outer
from ..world.external import External
from ..world.network import FIRST_CLIENT_PORT
from ..world.server import connection
from .link import Link, Peer, refusal

__all__ = ("Application", "AsgiLink", "ClientGoneError")

Message = MutableMapping[str, Any]
Application = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

NORMAL, ABNORMAL = 1000, 1006

REFUSED, FAILED = 403, 500
"""How servers answer a handshake that the application closes, and one that it leaves without an answer."""


class ClientGoneError(OSError):
    """The client has left: what a server's ``send`` raises, since version 2.4 of the specification."""


class AsgiLink(Link):
    """One WebSocket connection of an application."""

    def __init__(
        self,
        name: str,
        peer: Peer,
        pace: Pace | None,
        loop: Outer,
        app: Application,
        number: int,
        state: dict[str, Any],
    ) -> None:
        super().__init__(name, peer, pace)
        self._loop = loop
        self._app = app
        self._number = number
        self._state = state
        self._incoming: deque[tuple[str, Message]] = deque()
        self._arriving: External
        self._head: External | None = None
        self._queue: deque[Message] = deque()
        self._reader: Any = None
        self._outgoing: deque[tuple[Frame, bool, Any]] = deque()
        self._frame: External | None = None
        self._connected = False
        self._accepted = False
        self._denial: tuple[int, bytes] | None = None
        self._closed = False
        self._gone = False
        self._lost = False
        self._served = False
        self.task: Any = None

    # -- what the client does ------------------------------

    def open(self, request: Request) -> None:
        parts = urlsplit(request.path)
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [
                (b"host", b"testserver"),
                (b"upgrade", b"websocket"),
                (b"connection", b"Upgrade"),
                *((key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in request.headers),
                *(
                    [(b"sec-websocket-protocol", ", ".join(request.subprotocols).encode())]
                    if request.subprotocols
                    else []
                ),
            ],
            "client": ("127.0.0.1", FIRST_CLIENT_PORT + self._number),
            "server": ("127.0.0.1", 80),
            "subprotocols": list(request.subprotocols),
            "state": self._state.copy(),
            "extensions": {"websocket.http.response": {}},
        }
        context = copy_context()
        context.run(connection.set, self.name)
        self._arriving = self._loop.external(("connect", self.name), self._connect, scope, context=context)

    def _connect(self, scope: Message) -> None:
        if self._served:
            return
        self._connected = True
        self._queue.append({"type": "websocket.connect"})
        self.task = self._loop.serve(self._run, scope)
        self._advance()

    async def _run(self, scope: Message) -> None:
        as_io = self._loop.as_io
        try:
            await self._app(scope, as_io(self._receive), as_io(self._send))
        except BaseException as error:
            if self._loop.is_running():
                self._finished(Farewell.by(unwrapped(error)))
            raise
        else:
            self._finished(Farewell("the application ended"))

    def _finished(self, why: Farewell) -> None:
        """The application is done with this connection; a server closes what it left open."""
        if not self._closed and not self._gone:
            if self._accepted:
                self._end(why)
            else:
                self._refuse(self._denial[0] if self._denial is not None else FAILED)
        self._closed = self._served = True
        self.peer.served()

    def send(self, frame: Frame, *, heartbeat: bool = False) -> None:
        text = isinstance(frame, str)
        message = {"type": "websocket.receive", "text" if text else "bytes": frame, "bytes" if text else "text": None}
        self._arrive("pong" if heartbeat else "bytes", message)

    def close(self) -> None:
        self._leave(NORMAL)

    def abort(self) -> None:
        self._leave(ABNORMAL)

    def _leave(self, code: int) -> None:
        self._gone = True
        self.stalled = False
        if not self._connected:  # gone before a server saw it, which then never will
            self._loop.withdraw(self._arriving)
            self._closed = self._served = True
            self.peer.served()
            return
        self._hold()
        if code != NORMAL:  # what a client that vanishes had sent may be lost with it
            self._incoming.clear()
            if self._head is not None:
                self._loop.withdraw(self._head)
                self._head = None
        self._arrive("lost", {"type": "websocket.disconnect", "code": code, "reason": ""})

    def _arrive(self, kind: str, message: Message) -> None:
        self._incoming.append((kind, message))
        self._advance()

    def _advance(self) -> None:
        if self._head is None and self._incoming and self._connected:
            self._head = self._loop.external((self._incoming[0][0], self.name), self._visible)

    def _visible(self) -> None:
        self._head = None
        if not self._incoming:
            return
        kind, message = self._incoming.popleft()
        if kind == "lost" and message["code"] != NORMAL:  # a transport tells its protocol in the iteration after that
            self._loop.call_soon(self._told, message)
            return
        self._told(message)
        self._advance()

    def _told(self, message: Message) -> None:
        """The server learns of a message of the client's, or that it has left."""
        self._queue.append(message)
        self._wake()
        if message["type"] == "websocket.disconnect":
            self._lost = True
            while self._outgoing:
                sent = self._outgoing.popleft()[2]
                if not sent.done():
                    sent.set_exception(ClientGoneError("the client has left"))

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def stall(self) -> None:
        self.stalled = True
        self._hold()

    def resume(self) -> None:
        self.stalled = False
        if self.pace == "slow":
            self._show()
        else:
            while self._outgoing:
                self._take()

    @property
    def over(self) -> bool:
        return self._served

    @property
    def unread(self) -> bool:
        return (
            self.task is not None
            and not self.task.done()
            and any(m["type"] == "websocket.receive" for m in self._queue)
        )

    # -- what the application calls ------------------------------

    async def _receive(self) -> Message:
        while not self._queue:
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        message = self._queue[0]
        if message["type"] != "websocket.disconnect":  # a server goes on saying that the client is gone
            self._queue.popleft()
        else:
            self.told = True
        return message

    async def _send(self, message: Message) -> None:
        """What uvicorn does (0.54, on websockets' sans-I/O protocol) with each message in each state.

        On trio, which it does not run on, what is sent to a client that has gone is taken and forgotten, as hypercorn
        (0.18) does there.
        """
        kind = message["type"]
        if self._loop.backend == "trio" and (self._lost or (self._closed and self._gone)):
            return
        if self._lost and not self._closed:
            raise ClientGoneError("the client has left")
        if kind == "websocket.accept" and not self._accepted and not self._closed:
            self._accepted = True
            if not self._gone:
                self.peer.opened()
        elif kind == "websocket.close" and not self._closed:
            code, reason = message.get("code", NORMAL), _words(message.get("reason"))
            self._end(Farewell.of(code, reason), code, reason)
        elif kind == "websocket.http.response.start" and not self._accepted:
            self._denial = message["status"], b""
        elif kind == "websocket.http.response.body" and self._denial is not None and not self._closed:
            self._denial = self._denial[0], self._denial[1] + message.get("body", b"")
            if not message.get("more_body"):
                self._refuse(self._denial[0], self._denial[1].decode("utf-8", "replace"))
        elif kind == "websocket.send" and self._accepted and not self._closed:
            text = message.get("text")
            await self._deliver(text if text is not None else message["bytes"])
        else:
            after = "sending 'websocket.close'" if self._closed else "the accept" if self._accepted else "nothing"
            raise RuntimeError(f"unexpected ASGI message {kind!r}, after {after}")  # in uvicorn's words

    def _refuse(self, status: int, said: str = "") -> None:
        self._closed = True
        self._disconnected(ABNORMAL)
        if not self._gone:
            self.peer.refused(refusal(status, said))

    def _end(self, why: Farewell, code: int = NORMAL, reason: str = "") -> None:
        if not self._accepted:
            self._refuse(REFUSED, reason)
            return
        self._closed = True
        self._disconnected(code)
        if not self._gone:
            self.peer.closed(why)

    def _disconnected(self, code: int) -> None:
        """The server has closed: whoever waits in ``receive`` hears of it, whichever task closed."""
        self._queue.append({"type": "websocket.disconnect", "code": code, "reason": ""})
        self._wake()

    async def _deliver(self, frame: Frame) -> None:
        """Hand a frame to the network; on a congested link, or to a client that stalls, wait until it was taken.

        Who waits for a client that has stopped reading has not written yet: uvicorn waits until it can write.  On a
        congested link it has, as with servers that write and wait then.
        """
        if self._gone:
            self.peer.unheard(frame)
            return
        heartbeat = self.peer.written(frame)
        if self.pace != "slow" and not self.stalled:
            self.peer.received(frame)
            return
        sent = self._loop.create_future()
        waiting = frame, heartbeat, sent
        self._outgoing.append(waiting)
        self._show()
        try:
            await sent
        finally:
            if self.stalled and waiting in self._outgoing:  # it was cancelled
                self._outgoing.remove(waiting)

    def _show(self) -> None:
        if self._frame is None and self._outgoing and not self.stalled:
            kind = "pong" if self._outgoing[0][1] else "frame"
            self._frame = self._loop.external((kind, self.name), self._taken)

    def _hold(self) -> None:
        """The frame on its way is not taken now."""
        if self._frame is not None:
            self._loop.withdraw(self._frame)
            self._frame = None

    def _taken(self) -> None:
        self._frame = None
        if self._outgoing and not self.stalled and not self._gone:
            self._take()
            self._show()

    def _take(self) -> None:
        frame, _, sent = self._outgoing.popleft()
        self.peer.received(frame)
        if not sent.done():
            sent.set_result(None)


def _words(reason: Any) -> str:
    """A reason for closing, in words; FastAPI gives its validation errors, each with the place and what is wrong."""
    if isinstance(reason, list) and all(isinstance(error, dict) and "msg" in error for error in reason):
        return "; ".join(f"{' '.join(map(str, error.get('loc', ())))}: {error['msg']}" for error in reason)
    return str(reason or "")
