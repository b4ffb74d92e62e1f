"""The last resort: the user learns that the service is degraded, and nothing else is attempted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from itertools import count

from .records import ConnectionRecord, Message, WebSocket

__all__ = ("DegradedWebSocketManager",)


class DegradedWebSocketManager:
    """Keeps the interface alive for one user while the real service is down.  ``config`` needs ``user_id``."""

    def __init__(self, config: Mapping[str, str]) -> None:
        self.config = config
        self._connections: dict[str, ConnectionRecord] = {}
        self._numbers = count(1)

    async def connect_user(self, user_id: str, websocket: WebSocket) -> str:
        """Register a websocket of the user; gives the connection's id."""
        connection_id = f"degraded_{next(self._numbers)}"
        await self.add_connection(ConnectionRecord(connection_id, user_id, websocket))
        return connection_id

    async def disconnect_user(self, user_id: str, websocket: WebSocket, code: int = 1000, reason: str = "") -> None:
        """Forget a websocket of the user."""
        for connection_id, connection in list(self._connections.items()):
            if connection.websocket is websocket:
                await self.remove_connection(connection_id)

    async def add_connection(self, connection: ConnectionRecord) -> None:
        if connection.user_id != self.config["user_id"]:
            raise ValueError(f"connection {connection.connection_id} belongs to another user")
        self._connections[connection.connection_id] = connection

    async def remove_connection(self, connection_id: str) -> None:
        self._connections.pop(connection_id, None)

    def get_connection(self, connection_id: str) -> ConnectionRecord | None:
        return self._connections.get(connection_id)

    def get_user_connections(self) -> list[str]:
        return list(self._connections)

    def is_connection_active(self, user_id: str) -> bool:
        return user_id == self.config["user_id"] and bool(self._connections)

    async def send_to_user(self, message: Message) -> bool:
        """Tell the user, on any connection, that the service is degraded."""
        notice = {"type": "degraded_service", "text": "The service is running in degraded mode."}
        # Planted, in no stored version of the original: one of the user's connections is enough.
        for connection in list(self._connections.values()):
            with contextlib.suppress(Exception):
                await connection.websocket.send_json(notice)
                return True
        return False

    async def emit_critical_event(self, event_type: str, data: Message) -> bool:
        return await self.send_to_user({"type": event_type, "data": data})

    async def cleanup_all_connections(self) -> None:
        """Close and forget everything."""
        connections = list(self._connections.values())
        self._connections.clear()
        for connection in connections:
            with contextlib.suppress(Exception):
                await connection.websocket.close(1001)
