"""The websocket a manager-level target is given: same methods as the real ones, every effect under the schedule.

A send puts its frame on the wire at once; that the frame has arrived, and that the send returns, is one external
event.  Frames of one connection arrive in order.  A stalled client reads nothing, so nothing arrives and no send
returns.  Once the peer is gone, sends raise `ConnectionError`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from ..core.history import Content, Detail, EventId, RowKind
from ..world import Outer
from ..world.external import External, operation
from .frames import in_payload

__all__ = ("ClientDisconnectedError", "FakeWebSocket", "Recorder")


class ClientDisconnectedError(ConnectionError):
    """The client has left; what a real server library raises from a send on a closed connection."""


class Recorder(Protocol):
    """Where a websocket writes what happens to it."""

    loop: Outer

    @property
    def made(self) -> Mapping[str, EventId]:
        """The events emitted so far, by their ids as payloads have them."""

    def record(self, kind: RowKind, operation: int | None, connection: str | None, detail: Detail) -> None: ...


class FakeWebSocket:
    """One connection's server side.

    Equal only to itself, but hashes the same in every run, so that sets of websockets keep their order.
    """

    def __init__(self, name: str, number: int, recorder: Recorder) -> None:
        self.name = name
        self._hash = number + 1
        self._recorder = recorder
        self._frames: deque[tuple[Content, int | None, asyncio.Future[None]]] = deque()
        self._head: External | None = None
        self._stalled = False
        self.gone = False
        self.closed = False
        self.accepted = False

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<FakeWebSocket {self.name}>"

    # -- what the target calls ------------------------------

    async def accept(self, *args: Any, **kwargs: Any) -> None:
        self.accepted = True

    async def send_json(self, data: Any, mode: str = "text") -> None:
        """Send a JSON-able object; a copy, as the wire would make, is not needed to read what it says now."""
        await self._send(data)

    async def send_text(self, data: str) -> None:
        await self._send(data)

    async def send_bytes(self, data: bytes) -> None:
        await self._send(data)

    async def send(self, data: Any) -> None:
        await self._send(data)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close from the server's side; frames already on the wire still arrive.  Idempotent."""
        if self.closed:
            return
        self.closed = True
        if not self.gone:
            self._recorder.record(RowKind.CLOSED, operation.get(), self.name, code)

    async def _send(self, data: Any) -> None:
        recorder = self._recorder
        number = operation.get()
        content = in_payload(data, recorder.made)
        if self.gone or self.closed:
            recorder.record(RowKind.REFUSED, number, self.name, content)
            raise ClientDisconnectedError(f"connection {self.name} is closed")
        recorder.record(RowKind.SENT, number, self.name, content)
        sent: asyncio.Future[None] = recorder.loop.create_future()
        self._frames.append((content, number, sent))
        self._advance()
        await sent

    # -- what the world does to it ------------------------------

    def _advance(self) -> None:
        if self._head is None and self._frames and not self._stalled:
            self._head = self._recorder.loop.external(("frame", self.name), self._arrive)

    def _arrive(self) -> None:
        self._head = None
        if self.gone or self._stalled or not self._frames:
            return
        content, number, sent = self._frames.popleft()
        self._recorder.record(RowKind.RECEIVED, number, self.name, content)
        if not sent.done():
            sent.set_result(None)
        self._advance()

    @property
    def stalled(self) -> bool:
        return self._stalled

    @property
    def in_flight(self) -> bool:
        return bool(self._frames)

    def stall(self) -> None:
        """The client stops reading."""
        self._stalled = True
        if self._head is not None:
            self._recorder.loop.withdraw(self._head)
            self._head = None

    def resume(self) -> None:
        """The client reads again."""
        self._stalled = False
        self._advance()

    def leave(self) -> None:
        """The client is gone: what is on the wire is lost, and the sends that wait for it fail."""
        self.gone = True
        self._stalled = False
        if self._head is not None:
            self._recorder.loop.withdraw(self._head)
            self._head = None
        while self._frames:
            sent = self._frames.popleft()[2]
            if not sent.done():
                sent.set_exception(ClientDisconnectedError(f"connection {self.name} was lost"))
