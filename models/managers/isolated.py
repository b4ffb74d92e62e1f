"""One manager per user, with private state: what another user does cannot reach it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from .records import ConnectionRecord, Message, UserContext

__all__ = ("IsolatedWebSocketManager",)

SEND_TIMEOUT = 5.0
HEALTH_INTERVAL = 60.0
IDLE_LIMIT = 30 * 60.0


class IsolatedWebSocketManager:
    """The connections of one user; a lock keeps the table consistent.

    Refuses connections of anybody else (`ValueError`) and every call after its clean-up (`RuntimeError`).
    """

    def __init__(self, user_context: UserContext) -> None:
        self.user_context = user_context
        self._connections: dict[str, ConnectionRecord] = {}
        self._lifecycle: dict[str, float] = {}
        self._recovery: list[Message] = []
        self._lock = asyncio.Lock()
        self._active = True
        self._health_task: asyncio.Task[None] | None = None
        self._sent = 0
        self._failed = 0

    @property
    def active(self) -> bool:
        return self._active

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
            self._lifecycle[connection.connection_id] = time.time()
            if self._health_task is None:
                self._health_task = asyncio.create_task(self._watch_health())

    async def remove_connection(self, connection_id: str) -> None:
        """Stop serving a connection and close it."""
        self._require_active()
        async with self._lock:
            connection = self._connections.pop(connection_id, None)
            self._lifecycle.pop(connection_id, None)
        if connection is not None:
            with contextlib.suppress(ConnectionError):
                await connection.websocket.close()

    def get_connection(self, connection_id: str) -> ConnectionRecord | None:
        return self._connections.get(connection_id)

    def get_user_connections(self) -> list[str]:
        return list(self._connections)

    def is_connection_active(self, user_id: str) -> bool:
        return user_id == self.user_context.user_id and bool(self._connections)

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
                except TimeoutError:
                    self._failed += 1
                    self._connections.pop(connection_id, None)
                    self._lifecycle.pop(connection_id, None)
                except Exception:
                    self._failed += 1
                    await self.remove_connection(connection_id)
                else:
                    self._sent += 1
                    self._lifecycle[connection_id] = time.time()
                    delivered += 1
        return delivered > 0

    async def emit_critical_event(self, event_type: str, data: Message) -> bool:
        return await self.send_to_user({"type": event_type, "data": data, "run_id": self.user_context.run_id})

    async def cleanup_all_connections(self) -> None:
        """End the manager: close every connection and refuse whatever comes later."""
        self._active = False
        if self._health_task is not None:
            self._health_task.cancel()
        for connection_id in list(self._connections):
            with contextlib.suppress(Exception):
                await self.remove_connection(connection_id)
        self._lifecycle.clear()

    async def _watch_health(self) -> None:
        while self._active:
            await asyncio.sleep(HEALTH_INTERVAL)
            now = time.time()
            for connection_id, seen in list(self._lifecycle.items()):
                if now - seen > IDLE_LIMIT:
                    await self.remove_connection(connection_id)

    def get_manager_stats(self) -> dict[str, Any]:
        return {
            "user_id": self.user_context.user_id,
            "connections": len(self._connections),
            "sent": self._sent,
            "failed": self._failed,
            "waiting": len(self._recovery),
            "active": self._active,
        }
