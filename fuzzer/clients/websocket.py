"""A WebSocket client over bytes: `websockets`' own sans-I/O protocol at the far end of an in-memory connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.extensions.permessage_deflate import enable_client_permessage_deflate
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from ..core.handshake import Frame, Request
from ..core.history import Farewell
from ..core.program import Pace
from ..world.flow import END, Heartbeat
from ..world.transport import MemoryTransport
from .link import Link, Peer, refusal

__all__ = ("WebSocketLink", "shaking_hands")

GARBAGE = b"\xff\xfe not a frame \x00" * 4
"""An opcode that does not exist, with reserved bits set (RFC 6455, section 5.2)."""

PINGS = 50


@dataclass(slots=True)
class _Written:
    """What one piece of bytes from the server means: messages, and what the protocol answers by itself."""

    messages: list[Frame] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    opened: bool = False
    refused: str | None = None
    heartbeat: bool = False
    farewell: Farewell | None = None


def shaking_hands(request: Request, compression: bool) -> ClientProtocol:
    """Return websockets' own client, sans I/O, which has its opening handshake to send."""
    path, _, query = request.path.partition("?")
    protocol = ClientProtocol(
        WebSocketURI(False, "testserver", 80, path, query),
        extensions=enable_client_permessage_deflate(None) if compression else None,
        subprotocols=[Subprotocol(name) for name in request.subprotocols] or None,
        max_size=None,
    )
    handshake = protocol.connect()
    for key, value in request.headers:
        handshake.headers[key] = value
    protocol.send_request(handshake)
    return protocol


class WebSocketLink(Link):
    """One connection to a server that listens in the world.

    The protocol reads what the server writes when it is written, so that a trace can tell; what follows from it
    happens when the client takes the bytes off the network, which a slow or stalled one does later.
    """

    def __init__(
        self,
        name: str,
        peer: Peer,
        pace: Pace | None,
        dial: Callable[[WebSocketLink], None],
        *,
        compression: bool = False,
    ) -> None:
        super().__init__(name, peer, pace)
        self._dial = dial
        self._compression = compression
        self._transport: MemoryTransport | None = None
        self._protocol: ClientProtocol
        self._written: deque[_Written] = deque()
        self._fragments: list[bytes] = []
        self._text = True
        self._gone = False
        self._over = False
        self._open = False
        self._refused = False
        self._told_end = False

    # -- what the client does ------------------------------

    def open(self, request: Request) -> None:
        self._protocol = shaking_hands(request, self._compression)
        self._dial(self)

    def send(self, frame: Frame, *, heartbeat: bool = False) -> None:
        if self._protocol.state is not State.OPEN:  # the server has said goodbye, and would not listen
            return
        if isinstance(frame, str):
            self._protocol.send_text(frame.encode())
        else:
            self._protocol.send_binary(frame)
        self._flush(heartbeat=heartbeat)

    def _flush(self, *, heartbeat: bool = False) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._push(self._transport, self._protocol.data_to_send(), heartbeat)

    @staticmethod
    def _push(transport: MemoryTransport, pieces: list[bytes], heartbeat: bool) -> None:
        for piece in pieces:
            transport.inflow.push(Heartbeat(piece) if heartbeat and piece else piece)

    def close(self) -> None:
        if not self._open:
            self.abort()
            return
        self._gone = True
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
        self.resume()

    def abort(self) -> None:
        self._gone = True
        self.stalled = False
        if self._transport is None:
            self._over = True
            self.peer.served()
            return
        self._transport.inflow.drop()
        self._transport.outflow.drop()
        self._transport.vanish()

    def misbehave(self, how: str) -> None:
        closing = self._transport is None or self._protocol.state is not State.OPEN
        if how == "flood":  # who does that stays
            for number in range(0 if closing else PINGS):
                self._protocol.send_ping(b"%d" % number)
            self._flush()
        elif self._transport is None or closing:
            self.abort()
        else:
            self._gone = True
            if how == "garble":
                self._transport.inflow.push(GARBAGE)
                self.resume()
            else:
                self._protocol.send_text(b"cut short" * 8)
                data = b"".join(self._protocol.data_to_send())
                self._transport.inflow.push(data[: len(data) // 2])
                self._transport.inflow.push(END)
                self.resume()

    def stall(self) -> None:
        self.stalled = True
        if self._transport is not None:
            self._transport.outflow.pause()

    def resume(self) -> None:
        self.stalled = False
        if self._transport is not None:
            self._transport.outflow.resume()

    @property
    def ends(self) -> tuple[object, ...]:
        transport = self._transport
        served = getattr(transport, "get_protocol", None)  # what stands in for it over sockets has none
        served = getattr(transport, "made", None) if served is None else served  # and a socket has the target's object
        behind = None if served is None else served()  # None again where the target has let go of it
        return (self, transport) if behind is None else (self, transport, behind)

    @property
    def over(self) -> bool:
        return self._over

    # -- what the network tells ------------------------------

    def accepted(self, transport: MemoryTransport) -> None:
        if self._gone:  # it left while it waited to be taken
            self._transport = transport
            transport.vanish()
            return
        self._transport = transport
        if self.pace == "slow":
            transport.outflow.at_once = False
        elif self.pace is not None:
            transport.inflow.reads = self.pace
        if self.stalled:
            transport.outflow.pause()
        self._flush()

    def written(self, data: bytes) -> bool:
        piece = _Written()
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        for event in protocol.events_received():
            self._interpret(event, piece)
        if protocol.handshake_exc is not None and not self._open:
            piece.refused = _why(protocol.handshake_exc)
        piece.answers = protocol.data_to_send()
        self._written.append(piece)
        for frame in piece.messages:
            if self._gone:
                self.peer.unheard(frame)
            else:
                piece.heartbeat = self.peer.written(frame)
        return piece.heartbeat

    def _interpret(self, event: Any, piece: _Written) -> None:
        if isinstance(event, Response):
            if self._protocol.handshake_exc is None:
                self._open = piece.opened = True
            return
        assert isinstance(event, WebSocketFrame)
        if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if event.opcode is not Opcode.CONT:
                self._text = event.opcode is Opcode.TEXT
            self._fragments.append(bytes(event.data))
            if event.fin:
                data = b"".join(self._fragments)
                self._fragments.clear()
                piece.messages.append(data.decode("utf-8", "replace") if self._text else data)
        elif event.opcode is Opcode.CLOSE:
            piece.farewell = farewell(self._protocol.close_rcvd)
        elif event.opcode is Opcode.PING:
            piece.heartbeat = True

    def received(self, data: bytes) -> None:
        piece = self._written.popleft()
        if piece.refused is not None:
            self._turned_away(piece.refused)
        if piece.opened and not self._gone:
            self.peer.opened()
        for frame in piece.messages:
            if not self._gone:
                self.peer.received(frame)
        if piece.farewell is not None:
            self._told(piece.farewell)
        transport = self._transport
        if transport is not None and not transport.is_closing():
            self._push(transport, piece.answers, piece.heartbeat)
            if piece.refused is not None:  # a server may keep the connection for another request; this client has none
                transport.inflow.push(END)

    def refused(self) -> None:
        self._over = True
        self._turned_away("connection refused")

    def _turned_away(self, why: str) -> None:
        if not self._gone and not self._refused:
            self._refused = True
            self.peer.refused(why)

    def lost(self) -> None:
        self._over = True
        if self._open:
            self._told(farewell(self._protocol.close_rcvd))
        elif not self._gone:
            self._turned_away("the connection was dropped")

    def _told(self, farewell: Farewell) -> None:
        """The server has hung up: by a close frame, or without one, by the end of the stream."""
        if not self._gone and not self._told_end:
            self._told_end = True
            self.peer.closed(farewell)


def farewell(close: Close | None) -> Farewell:
    """How a server hung up: by this close frame, or without one."""
    return Farewell.of(int(close.code), close.reason) if close is not None else Farewell("the connection was dropped")


def _why(error: Exception) -> str:
    if isinstance(error, InvalidStatus):
        return refusal(error.response.status_code, (error.response.body or b"").decode("utf-8", "replace"))
    if isinstance(error, InvalidMessage | InvalidHandshake):
        return f"{type(error).__name__}: {error}"
    return str(error)
