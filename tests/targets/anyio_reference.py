"""The reference manager written with anyio, once for both event loops; no task of its own outlives a call.

Every change of state happens between two awaits.  A frame waits in its connection's backlog until whoever holds that
connection's lock takes it: frames arrive in the order in which they were put there, whoever is cancelled meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from operator import itemgetter
from typing import Any, ClassVar

import anyio

from crosswire.fuzzer.core.choices import Backend
from crosswire.models.managers.keeping import KeepingAdapter
from crosswire.models.managers.records import Message, WebSocket

__all__ = ("AnyioManager", "Forgets", "Reference")


_Numbered = tuple[int, Message]
"""A message, and how many there were before it: the order in which they are kept."""


@dataclass(eq=False, slots=True)
class _Connection:
    user_id: str
    websocket: WebSocket
    missed: deque[_Numbered]
    """What the user missed, of which no other connection has a copy."""
    backlog: deque[_Numbered] = field(default_factory=deque)
    lock: anyio.Lock = field(default_factory=anyio.Lock)


class AnyioManager:
    """Connections of all users; keeps what it cannot deliver, once and in order, for the user's next connection."""

    def __init__(self) -> None:
        self._users: dict[str, list[_Connection]] = {}
        self._kept: dict[str, list[_Numbered]] = {}
        self._numbers = count()
        self._threads: dict[str, str] = {}

    async def connect_user(self, user_id: str, websocket: WebSocket) -> None:
        """Serve one more connection, starting with what the user missed."""
        connection = _Connection(user_id, websocket, deque(self._kept.pop(user_id, ())))
        self._users.setdefault(user_id, []).append(connection)
        try:
            await self._send(connection)
        except BaseException:  # it is cancelled, and nobody will disconnect it
            self._drop(connection)
            raise

    async def disconnect_user(self, user_id: str, websocket: WebSocket, code: int = 1000, reason: str = "") -> None:
        """Stop serving a connection; nothing is sent to it once this has returned."""
        for connection in list(self._users.get(user_id, ())):
            if connection.websocket is websocket:
                self._drop(connection)

    async def send_to_user(self, user_id: str, message: Message) -> bool:
        """Deliver to each connection of the user, or keep for the next one."""
        connections = list(self._users.get(user_id, ()))
        numbered = next(self._numbers), message
        for connection in connections:
            connection.backlog.append(numbered)
        if not connections:
            self._kept.setdefault(user_id, []).append(numbered)
        await self._send_all(connections)
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
        everybody = [connection for mine in self._users.values() for connection in mine]
        numbered = next(self._numbers), message
        for connection in everybody:
            connection.backlog.append(numbered)
        await self._send_all(everybody)

    async def clean_up_user(self, user_id: str) -> None:
        """Close every connection of a user."""
        for connection in list(self._users.get(user_id, ())):
            self._drop(connection)
            with suppress(ConnectionError):
                await connection.websocket.close(1001)

    async def shutdown(self) -> None:
        """Close every connection."""
        for user_id in list(self._users):
            await self.clean_up_user(user_id)

    def connections(self) -> Iterable[WebSocket]:
        return [connection.websocket for mine in self._users.values() for connection in mine]

    def is_connection_active(self, user_id: str) -> bool:
        return user_id in self._users

    async def _send_all(self, connections: list[_Connection]) -> None:
        async with anyio.create_task_group() as group:
            for connection in connections:
                group.start_soon(self._send, connection)

    async def _send(self, connection: _Connection) -> None:
        async with connection.lock:
            while waiting := connection.missed or connection.backlog:
                try:
                    await connection.websocket.send_json(waiting.popleft()[1])
                except ConnectionError:
                    self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        mine = self._users.get(connection.user_id, [])
        if connection in mine:
            mine.remove(connection)
            if mine:  # the others have copies of their own
                connection.backlog.clear()
            else:
                del self._users[connection.user_id]
            self._keep(connection)
            connection.missed.clear()
            connection.backlog.clear()

    def _keep(self, connection: _Connection) -> None:
        left = [*self._kept.get(connection.user_id, ()), *connection.missed, *connection.backlog]
        if left:
            self._kept[connection.user_id] = sorted(left, key=itemgetter(0))


class Reference(KeepingAdapter):
    """It keeps every promise on both."""

    backends: ClassVar[tuple[Backend, ...]] = ("asyncio", "trio")
    new: ClassVar[Any] = AnyioManager


class _Forgetful(AnyioManager):
    def _keep(self, connection: _Connection) -> None:
        pass


class Forgets(Reference):
    """What waited for a connection that is gone is lost."""

    new = _Forgetful
