"""The fallback that must never crash: as few moving parts as possible, and no lock to get stuck on."""

from __future__ import annotations

import contextlib
import time

from .records import ConnectionRecord, Message, UserContext, WebSocket

__all__ = ("EmergencyWebSocketManager",)


class EmergencyWebSocketManager:
    """Serves one user when everything else has failed; no failing send gets out of it."""

    def __init__(self, user_context: UserContext) -> None:
        self.user_context = user_context
        self._connections: dict[str, ConnectionRecord] = {}

    async def connect_user(self, user_id: str, websocket: WebSocket) -> str:
        """Register a websocket of the user; gives the connection's id."""
        connection_id = f"{user_id}_{int(time.time())}"
        await self.add_connection(ConnectionRecord(connection_id, user_id, websocket))
        return connection_id

    async def disconnect_user(self, user_id: str, websocket: WebSocket, code: int = 1000, reason: str = "") -> None:
        """Forget a websocket of the user."""
        for connection_id, connection in list(self._connections.items()):
            if connection.user_id == user_id:
                await self.remove_connection(connection_id)
                break

    async def add_connection(self, connection: ConnectionRecord) -> None:
        self._connections[connection.connection_id] = connection

    async def remove_connection(self, connection_id: str) -> None:
        self._connections.pop(connection_id, None)

    def get_connection(self, connection_id: str) -> ConnectionRecord | None:
        return self._connections.get(connection_id)

    def get_user_connections(self) -> list[str]:
        return list(self._connections)

    def is_connection_active(self, user_id: str) -> bool:
        return bool(self._connections)

    async def send_to_user(self, message: Message) -> bool:
        """Send to every connection; whether any of them took it."""
        delivered = 0
        failed = []
        for connection_id, connection in self._connections.items():
            try:
                await connection.websocket.send_json(message)
                delivered += 1
            except Exception:
                failed.append(connection_id)
        for connection_id in failed:
            await self.remove_connection(connection_id)
        return delivered > 0

    async def emit_critical_event(self, event_type: str, data: Message) -> bool:
        return await self.send_to_user({"type": event_type, "data": data})

    async def cleanup_all_connections(self) -> None:
        """Close and forget everything."""
        connections = list(self._connections.values())
        self._connections.clear()
        for connection in connections:
            with contextlib.suppress(Exception):
                await connection.websocket.close(1001)
