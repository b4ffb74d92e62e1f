"""One manager per user, with private state: what another user does cannot reach it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from .records import ConnectionRecord, Message, UserContext, WebSocket

__all__ = ("IsolatedWebSocketManager",)

SEND_TIMEOUT = 5.0
HEALTH_INTERVAL = 60.0
IDLE_LIMIT = 30 * 60.0


class IsolatedWebSocketManager:
    """The connections of one user; a lock keeps the table consistent.

    Refuses connections of anybody else (`ValueError`), and every call but that for its figures after its clean-up
    (`RuntimeError`).
    """

    def __init__(self, user_context: UserContext) -> None:
        self.user_context = user_context
        self._connections: dict[str, ConnectionRecord] = {}
        self._lifecycle: dict[str, float] = {}
        self._recovery: list[Message] = []
        self._lock = asyncio.Lock()
        self._active = True
        self._health_task: asyncio.Task[None] | None = None
        self._last_activity = time.time()
        self._sent = 0
        self._failed = 0

    def _require_active(self) -> None:
        if not self._active:
            raise RuntimeError(f"the manager of {self.user_context.user_id} is no longer active")

    async def add_connection(self, connection: ConnectionRecord) -> None:
        """Serve one more connection of this user."""
        self._require_active()
        if connection.user_id != self.user_context.user_id:
            raise ValueError(f"connection {connection.connection_id} belongs to another user")
        async with self._lock:
            self._connections[connection.connection_id] = connection
            self._lifecycle[connection.connection_id] = self._last_activity = time.time()
            if self._health_task is None:
                self._health_task = asyncio.create_task(self._watch_health())

    async def remove_connection(self, connection_id: str) -> None:
        """Stop serving a connection; closing it is the caller's affair."""
        self._require_active()
        async with self._lock:
            self._connections.pop(connection_id, None)
            self._lifecycle.pop(connection_id, None)

    def get_connection(self, connection_id: str) -> ConnectionRecord | None:
        self._require_active()
        return self._connections.get(connection_id)

    def get_user_connections(self) -> list[str]:
        self._require_active()
        return list(self._connections)

    def is_connection_active(self, user_id: str) -> bool:
        self._require_active()
        return user_id == self.user_context.user_id and bool(self._connections)

    def get_connection_id_by_websocket(self, websocket: WebSocket) -> str | None:
        self._require_active()
        return next((name for name, known in self._connections.items() if known.websocket is websocket), None)

    def update_connection_thread(self, connection_id: str, thread_id: str) -> bool:
        """Note which thread a connection follows; False for a connection that is not known."""
        connection = self.get_connection(connection_id)
        if connection is not None:
            connection.metadata["thread_id"] = thread_id
        return connection is not None

    def get_connection_health(self, user_id: str) -> dict[str, Any]:
        return {
            "user_id": user_id,
            "connections": len(self._connections) if self.is_connection_active(user_id) else 0,
            "last_activity": self._last_activity,
        }

    def get_manager_stats(self) -> dict[str, Any]:
        return {
            "user_id": self.user_context.user_id,
            "connections": len(self._connections),
            "sent": self._sent,
            "failed": self._failed,
            "waiting": len(self._recovery),
            "active": self._active,
            "last_activity": self._last_activity,
        }

    async def send_to_user(self, message: Message) -> bool:
        """Send to each connection of the user; whether any of them took it."""
        self._require_active()
        if not self._connections:
            self._recovery.append(message)
            return False
        delivered = 0
        async with self._lock:
            for connection_id, connection in list(self._connections.items()):
                try:
                    await asyncio.wait_for(connection.websocket.send_json(message), SEND_TIMEOUT)
                except Exception:  # the peer has left, or is too slow to be worth keeping
                    self._failed += 1
                    await self.remove_connection(connection_id)
                else:
                    self._sent += 1
                    self._last_activity = time.time()
                    delivered += 1
        return delivered > 0

    async def send_to_thread(self, thread_id: str, message: Message) -> bool:
        """Send to the user, whose threads all are that may be named here."""
        return await self.send_to_user({**message, "thread_id": thread_id})

    async def emit_critical_event(self, event_type: str, data: Message) -> bool:
        """Send one of the events that a user must not miss."""
        return await self.send_to_user({"type": event_type, "data": data})

    async def cleanup_all_connections(self) -> None:
        """End the manager: forget every connection, and refuse whatever comes later."""
        async with self._lock:
            self._active = False
            if self._health_task is not None:
                self._health_task.cancel()
                await asyncio.wait([self._health_task])
            for connection_id in list(self._connections):
                with contextlib.suppress(Exception):
                    await self.remove_connection(connection_id)
            self._lifecycle.clear()

    async def _watch_health(self) -> None:
        while self._active:
            await asyncio.sleep(HEALTH_INTERVAL)
            now = time.time()
            for connection_id, since in list(self._lifecycle.items()):
                if now - since > IDLE_LIMIT:
                    await self.remove_connection(connection_id)
