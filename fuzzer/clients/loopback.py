"""A simulated client on a real socket: the far end of a loopback connection to a real server.

The bytes are made and read by `websockets`' own sans-I/O protocol.  Nothing is shared with clients in memory, so what
shows here does not depend on how those are made.  What the client does reaches the server's kernel when the schedule
says so; how much of what the server wrote has been read is the client's affair, as everywhere.
"""

from __future__ import annotations

from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Any

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.http11 import Response
from websockets.protocol import State

from ..core.handshake import Frame, Request
from ..core.program import Pace
from .endpoint import END, Endpoint
from .link import Link, Peer
from .websocket import farewell, shaking_hands

if TYPE_CHECKING:
    from ..world.external import External
    from ..world.stock import StockLoop

__all__ = ("OUTSIDE", "LoopbackLink")

GARBAGE = b"\xff\xfe not a frame \x00" * 4
"""An opcode that does not exist, with reserved bits set (RFC 6455, section 5.2)."""

PINGS = 50

OUTSIDE = Context()
"""The context of what happens outside of the server."""


class LoopbackLink(Link):
    """One connection to a server that listens on a loopback address.

    ``whole``: what arrives at the server are messages, as where an application is called directly, rather than bytes.
    ``prompt``: what the client does reaches the server's kernel at once, and only its reading is the schedule's affair.
    """

    def __init__(
        self,
        name: str,
        peer: Peer,
        pace: Pace | None,
        loop: StockLoop,
        port: int | None,
        *,
        whole: bool = False,
        prompt: bool = False,
        compression: bool = False,
    ) -> None:
        super().__init__(name, peer, pace)
        self.taking = False
        self.end = Endpoint(loop, name)
        self._loop = loop
        self._port = port
        self._whole = whole
        self._prompt = prompt
        self._compression = compression
        self._protocol: ClientProtocol
        self._arriving: External | None = None
        self._leading: External | None = None
        self._queue: deque[tuple[str, bytes]] = deque()
        self._inbox: deque[tuple[str, Frame]] = deque()
        self._fragments: list[bytes] = []
        self._text = True
        self._open = False
        self._gone = False
        self._vanished = False
        self._told_end = False
        self._served = False
        self._offered: External | None = None
        self._dry = -1
        self._owed = -1

    # -- what the client does ------------------------------

    def open(self, request: Request) -> None:
        self._protocol = shaking_hands(request, self._compression)
        self._arriving = self._loop.external(("connect", self.name), self._connect, context=OUTSIDE)

    def _connect(self) -> None:
        self._arriving = None
        if self.end.closed:
            return
        address = self._loop.listening_at(self._port)
        if address is None:
            self.end.closed = True
            self._turned_away("connection refused")
            return
        self.end.connect(address)
        self._loop.attach(self)
        self._flush_protocol("connect" if self._whole else "bytes")

    def send(self, frame: Frame, *, heartbeat: bool = False) -> None:
        if self._protocol.state is not State.OPEN:
            return
        if isinstance(frame, str):
            self._protocol.send_text(frame.encode())
        else:
            self._protocol.send_binary(frame)
        self._flush_protocol("pong" if heartbeat else "bytes")

    def close(self) -> None:
        if not self._open:
            self.abort()
            return
        self._gone = True
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush_protocol("lost" if self._whole else "bytes")
        if self.end.filled and self._prompt:
            self._lost()  # as a tab that is closed, with all it has not read
        self.resume()

    def abort(self) -> None:
        self._gone = True
        self.stalled = False
        if not self.end.connected:
            if self._arriving is not None:
                self._loop.withdraw(self._arriving)
            self.end.closed = True
            self.peer.served()
            return
        self._queue.clear()
        self._withdraw()
        if self._leading is not None:
            self._loop.withdraw(self._leading)
        if self._prompt:
            self._reset()
        elif not self.end.closed:
            self._vanished = True
            self._leading = self._loop.external(("lost", self.name), self._reset, context=OUTSIDE)

    def misbehave(self, how: str) -> None:
        closing = not self.end.connected or self._protocol.state is not State.OPEN
        if how == "flood":  # who does that stays
            for number in range(0 if closing else PINGS):
                self._protocol.send_ping(b"%d" % number)
            self._flush_protocol("bytes")
        elif closing:
            self.abort()
        else:
            self._gone = True
            if how == "garble":
                self._say("bytes", GARBAGE)
            else:
                self._protocol.send_text(b"cut short" * 8)
                data = b"".join(self._protocol.data_to_send())
                self._say("bytes", data[: len(data) // 2])
                self._say("bytes", END)
            self.resume()

    def stall(self) -> None:
        self.stalled = True
        self.taking = False
        self._withdraw()

    def resume(self) -> None:
        self.stalled = False
        self._dry = -1

    def released_after(self, messages: int) -> None:
        """The server closes: behind so many messages that are due, nothing but its goodbye is left to read."""
        self._owed = messages

    @property
    def over(self) -> bool:
        return self.end.closed and (not self._whole or self._served or not self._loop.serving(self.name))

    # -- what reaches the server ------------------------------

    def _flush_protocol(self, kind: str) -> None:
        """Send what the protocol has to say; ``kind`` names the event of its arrival, unless it has none."""
        for piece in self._protocol.data_to_send():
            if kind in ("connect", "answer") or self._prompt:
                self.end.write(piece)
            else:
                self._say(kind, piece)

    def _say(self, kind: str, piece: bytes) -> None:
        if self.end.closed:
            return
        half = len(piece) // 2
        if self.pace == "split" and half and kind != "pong":
            self._queue.append((kind, piece[:half]))
            piece = piece[half:]
        self._queue.append((kind, piece))
        self._advance()

    def _advance(self) -> None:
        if self._leading is None and self._queue and not self.end.closed:
            self._leading = self._loop.external((self._queue[0][0], self.name), self._arrives, context=OUTSIDE)

    def _arrives(self) -> None:
        self._leading = None
        if self.end.closed or not self._queue:
            return
        kind, piece = self._queue.popleft()
        if self.pace == "merged" and piece:
            while self._queue and self._queue[0][0] == kind and self._queue[0][1]:
                piece += self._queue.popleft()[1]
        self.end.write(piece)
        self._advance()

    def _reset(self) -> None:
        """Go without a word."""
        if not self.end.closed:
            self.end.reset()
            self._lost()

    # -- what the client reads ------------------------------

    @property
    def _held(self) -> bool:
        """Whether the client reads only what the schedule lets it."""
        return self._open and not self._gone and (self.stalled or (self.pace == "slow" and self._owed != 0))

    def pump(self) -> bool:
        """Read what has come, as far as the client reads now; whether the server's kernel has news of it."""
        moved = self.end.flush()
        if not self.end.connected or self.end.closed:
            self._tell_served()
            return moved
        if self._vanished:  # it reads no more, and the server's kernel has not heard
            if self.end.filled or not self._whole:
                self.end.fill()
            return moved
        if not self._held:
            waiting = self.end.server_waits
            read = self.end.read(self._understand)
            while self._inbox:
                self._deliver()
            return (read and (waiting or self.end.closed)) or moved
        if self.taking:
            moved = self.end.read(self._understand) or moved
            if self._inbox:
                self.taking = False
                self._deliver()
        elif not self.stalled:
            self._offer()
        if not self.taking:
            self.end.fill()
        return moved

    def settle(self) -> None:
        """Nothing moves any more: what was read had no message in it."""
        if self.taking:
            self.taking = False
            self._dry = self._loop.activity
            self.end.fill()

    def _offer(self) -> None:
        """Reading on is an external event, where there may be something to read."""
        if self._offered is None and (self._inbox or self._has_news()):
            self._offered = self._loop.external(("frame", self.name), self._take, context=OUTSIDE)

    def _has_news(self) -> bool:
        if self.end.filled:  # whether a send waits behind a backlog cannot be seen from here
            return self._dry != self._loop.activity
        return self.end.has_news()

    def _take(self) -> None:
        self._offered = None
        if self._inbox:
            self._deliver()
        elif not self.end.closed:
            self.taking = True

    def _withdraw(self) -> None:
        if self._offered is not None:
            self._loop.withdraw(self._offered)
            self._offered = None

    def _understand(self, data: bytes) -> None:
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        events = protocol.events_received()
        for event in events:
            self._interpret(event)
        if protocol.handshake_exc is not None and not self._open and ("refused", "") not in self._inbox:
            self._inbox.append(("refused", ""))
        beats = any(isinstance(event, WebSocketFrame) and event.opcode is Opcode.PING for event in events)
        self._flush_protocol("answer" if self._whole else "pong" if beats else "bytes")
        if self.end.ended:
            self._inbox.append(("end", ""))

    def _interpret(self, event: Any) -> None:
        if isinstance(event, Response):
            if self._protocol.handshake_exc is None:
                self._open = True
                self._inbox.append(("opened", ""))
            return
        assert isinstance(event, WebSocketFrame)
        if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if event.opcode is Opcode.BINARY and self.end.skip(bytes(event.data)):
                return
            if event.opcode is not Opcode.CONT:
                self._text = event.opcode is Opcode.TEXT
            self._fragments.append(bytes(event.data))
            if event.fin:
                data = b"".join(self._fragments)
                self._fragments.clear()
                self._inbox.append(("frame", data.decode("utf-8", "replace") if self._text else data))
        elif event.opcode is Opcode.CLOSE:
            self._inbox.append(("closed", ""))

    def _deliver(self) -> None:
        """The client takes note of the next thing it has read."""
        kind, frame = self._inbox.popleft()
        self._loop.activity += 1
        if kind == "end":
            self._lost()
        elif kind == "refused":
            self._turned_away(_why(self._protocol.handshake_exc))
            if not self._whole:
                self._say("bytes", END)
            else:
                self.end.write(END)
        elif self._gone:
            return
        elif kind == "opened":
            self.peer.opened()
        elif kind == "closed":
            self._tell_closed()
        else:
            if not self.peer.written(frame):
                self._loop.last_visible = self._loop.time()
            self._owed -= self._owed > 0
            self.peer.received(frame)

    def _lost(self) -> None:
        self._withdraw()
        self.end.close()
        if self._open:
            self._tell_closed()
        else:
            self._turned_away("the connection was dropped")
        self._tell_served()

    def _tell_closed(self) -> None:
        if not self._gone and not self._told_end:
            self._told_end = True
            self.peer.closed(farewell(self._protocol.close_rcvd))

    def _turned_away(self, why: str) -> None:
        if not self._gone and not self._told_end:
            self._told_end = True
            self.peer.refused(why)

    def _tell_served(self) -> None:
        if self._whole and self.end.closed and not self._served and not self._loop.serving(self.name):
            self._served = True
            self.peer.served()


def _why(error: BaseException | None) -> str:
    if isinstance(error, InvalidStatus):
        return f"HTTP {error.response.status_code}"
    return f"{type(error).__name__}: {error}"
