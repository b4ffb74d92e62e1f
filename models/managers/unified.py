"""One shared manager for all users: the single source of truth for who is connected."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from .records import ConnectionRecord, Message, WebSocket

__all__ = ("UnifiedWebSocketManager",)

RETRIES = 3
RETRY_DELAY = 1.0


class UnifiedWebSocketManager:
    """All connections of all users.  A lock per user orders what is done for a user; a global one guards the tables.

    Messages for a user without a connection are kept and replayed on the next connect.
    """

    def __init__(self) -> None:
        self._connections: dict[str, ConnectionRecord] = {}
        self._by_user: dict[str, list[str]] = {}
        self._registry: dict[str, str] = {}
        self._recovery: dict[str, list[Message]] = {}
        self._user_locks: dict[str, asyncio.Lock] = {}
        self._creation_lock = asyncio.Lock()
        self._lock = asyncio.Lock()
        self._replays: set[asyncio.Task[None]] = set()
        self._numbers = count(1)
        self._failed = 0

    async def _lock_of(self, user_id: str) -> asyncio.Lock:
        async with self._creation_lock:
            return self._user_locks.setdefault(user_id, asyncio.Lock())

    async def add_connection(self, connection: ConnectionRecord) -> None:
        """Serve one more connection."""
        async with await self._lock_of(connection.user_id), self._lock:
            self._connections[connection.connection_id] = connection
            self._by_user.setdefault(connection.user_id, []).append(connection.connection_id)

    async def remove_connection(self, connection_id: str) -> None:
        """Stop serving a connection."""
        connection = self._connections.get(connection_id)
        if connection is None:
            return
        async with await self._lock_of(connection.user_id), self._lock:
            self._connections.pop(connection_id, None)
            mine = self._by_user.get(connection.user_id, [])
            if connection_id in mine:
                mine.remove(connection_id)

    def get_connection(self, connection_id: str) -> ConnectionRecord | None:
        return self._connections.get(connection_id)

    def get_user_connections(self, user_id: str) -> list[str]:
        return list(self._by_user.get(user_id, ()))

    async def find_connection(self, user_id: str, websocket: WebSocket) -> ConnectionRecord | None:
        for connection_id in self.get_user_connections(user_id):
            connection = self._connections.get(connection_id)
            if connection is not None and connection.websocket is websocket:
                return connection
        return None

    def is_connection_active(self, user_id: str) -> bool:
        return bool(self._by_user.get(user_id))

    def get_connection_health(self, user_id: str) -> dict[str, Any]:
        return {"user_id": user_id, "connections": len(self._by_user.get(user_id, ()))}

    async def connect_user(self, user_id: str, websocket: WebSocket) -> str:
        """Register a websocket, and replay what the user missed; gives the connection's id."""
        connection_id = f"{user_id}_{next(self._numbers)}"
        await self.add_connection(ConnectionRecord(connection_id, user_id, websocket))
        self._registry[connection_id] = user_id
        if self._recovery.get(user_id):
            replay = asyncio.create_task(self.attempt_message_recovery(user_id))
            self._replays.add(replay)
            replay.add_done_callback(self._replays.discard)
        return connection_id

    async def disconnect_user(self, user_id: str, websocket: WebSocket, code: int = 1000, reason: str = "") -> None:
        """Forget a websocket of the user."""
        connection = await self.find_connection(user_id, websocket)
        if connection is not None:
            self._registry.pop(connection.connection_id, None)
            await self.remove_connection(connection.connection_id)

    async def send_to_user(self, user_id: str, message: Message) -> bool:
        """Send to each connection of the user, or keep the message where there is none."""
        async with await self._lock_of(user_id):
            mine = self.get_user_connections(user_id)
            if not mine:
                self._recovery.setdefault(user_id, []).append(message)
                return False
            delivered = 0
            for connection_id in mine:
                connection = self._connections.get(connection_id)
                if connection is None:
                    continue
                try:
                    await connection.websocket.send_json(message)
                    delivered += 1
                except Exception:
                    self._failed += 1
                    await self.remove_connection(connection_id)
            return delivered > 0

    async def send_to_thread(self, thread_id: str, message: Message) -> bool:
        """Send to whoever follows a thread."""
        return await self.send_to_user(thread_id, message)

    async def emit_critical_event(self, user_id: str, event_type: str, data: Message) -> bool:
        """Send an event that must not be missed: wait a little for the user to come back."""
        message = {"type": event_type, "data": data}
        for _ in range(RETRIES):
            if self.is_connection_active(user_id):
                return await self.send_to_user(user_id, message)
            await asyncio.sleep(RETRY_DELAY)
        if not self.is_connection_active(user_id):
            self._recovery.setdefault(user_id, []).append(message)
        return await self.send_to_user(user_id, message)

    async def broadcast(self, message: Message) -> int:
        """Send to every connection; how many took it."""
        delivered = 0
        for connection in list(self._connections.values()):
            try:
                await connection.websocket.send_json(message)
                delivered += 1
            except Exception:
                self._failed += 1
        return delivered

    async def attempt_message_recovery(self, user_id: str) -> None:
        """Send the user what was kept."""
        for message in list(self._recovery.get(user_id, ())):
            for connection_id in self.get_user_connections(user_id):
                connection = self._connections.get(connection_id)
                if connection is not None:
                    try:
                        await connection.websocket.send_json(message)
                    except Exception:
                        self._failed += 1
        self._recovery.pop(user_id, None)

    def get_stats(self) -> dict[str, Any]:
        return {
            "connections": len(self._connections),
            "registered": dict(self._registry),
            "waiting": {user: len(messages) for user, messages in self._recovery.items()},
            "failed": self._failed,
        }
