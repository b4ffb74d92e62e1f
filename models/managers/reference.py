"""What the seven should have become: one manager for all users that keeps every promise under every schedule.

Every change of state happens between two awaits, so no lock is needed.  A frame waits in its connection's backlog
until that connection's one sender task takes it: nobody ever waits for somebody else's socket.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from .records import Message, WebSocket

__all__ = ("ReferenceWebSocketManager",)


@dataclass(eq=False, slots=True)
class _Connection:
    """One websocket, and what waits for it; the first of that, so many as were ``missed``, no other connection has."""

    user_id: str
    websocket: WebSocket
    backlog: deque[Message] = field(default_factory=deque)
    missed: int = 0
    sender: asyncio.Task[None] | None = None


class ReferenceWebSocketManager:
    """Connections of all users; keeps what it cannot deliver, once and in order, for the user's next connection."""

    def __init__(self) -> None:
        self._users: dict[str, list[_Connection]] = {}
        self._kept: dict[str, list[Message]] = {}
        self._threads: dict[str, str] = {}

    async def connect_user(self, user_id: str, websocket: WebSocket) -> None:
        """Serve one more connection, starting with what the user missed."""
        missed = self._kept.pop(user_id, ())
        connection = _Connection(user_id, websocket, missed=len(missed))
        self._users.setdefault(user_id, []).append(connection)
        self._put(connection, missed)

    async def disconnect_user(self, user_id: str, websocket: WebSocket, code: int = 1000, reason: str = "") -> None:
        """Stop serving a connection; nothing is sent to it once this has returned."""
        for connection in list(self._users.get(user_id, ())):
            if connection.websocket is websocket:
                self._drop(connection)

    async def send_to_user(self, user_id: str, message: Message) -> bool:
        """Deliver to each connection of the user, or keep for the next one; True: it will arrive."""
        for connection in self._users.get(user_id, ()):
            self._put(connection, (message,))
        if user_id not in self._users:
            self._kept.setdefault(user_id, []).append(message)
        return True

    async def emit_critical_event(self, user_id: str, event_type: str, data: Message) -> bool:
        return await self.send_to_user(user_id, {"type": event_type, "data": data})

    def bind_thread(self, thread_id: str, user_id: str) -> None:
        """Say whose thread it is."""
        self._threads[thread_id] = user_id

    async def send_to_thread(self, thread_id: str, message: Message) -> bool:
        """Deliver to the thread's owner; False for a thread nobody owns."""
        owner = self._threads.get(thread_id)
        return owner is not None and await self.send_to_user(owner, message)

    async def broadcast(self, message: Message) -> None:
        """Deliver to everybody who is connected."""
        for user_id in list(self._users):
            await self.send_to_user(user_id, message)

    async def clean_up_user(self, user_id: str) -> None:
        """Close every connection of a user."""
        for connection in list(self._users.get(user_id, ())):
            self._drop(connection)
            with contextlib.suppress(ConnectionError):
                await connection.websocket.close(1001)

    async def shutdown(self) -> None:
        """Close every connection."""
        for user_id in list(self._users):
            await self.clean_up_user(user_id)

    def connections(self) -> list[WebSocket]:
        return [connection.websocket for mine in self._users.values() for connection in mine]

    def is_connection_active(self, user_id: str) -> bool:
        return user_id in self._users

    def _put(self, connection: _Connection, messages: Iterable[Message]) -> None:
        connection.backlog.extend(messages)
        if connection.backlog and connection.sender is None:
            connection.sender = asyncio.create_task(self._send(connection))

    async def _send(self, connection: _Connection) -> None:
        try:
            while connection.backlog:
                connection.missed -= connection.missed > 0
                await connection.websocket.send_json(connection.backlog.popleft())
        except ConnectionError:
            self._drop(connection)
        finally:
            connection.sender = None

    def _drop(self, connection: _Connection) -> None:
        mine = self._users.get(connection.user_id, [])
        if connection in mine:
            mine.remove(connection)
            left = list(connection.backlog)
            if mine:
                left = left[: connection.missed]
            else:
                del self._users[connection.user_id]
            if left:
                self._kept.setdefault(connection.user_id, []).extend(left)
            if connection.sender is not None and connection.sender is not asyncio.current_task():
                connection.sender.cancel()
