"""The interface of the old singleton manager, kept for its callers, over the factory of isolated managers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection
from itertools import count
from typing import Any

from .factory import WebSocketManagerFactory
from .isolated import IsolatedWebSocketManager
from .records import ConnectionRecord, Message, UserContext, WebSocket

__all__ = ("WebSocketManagerAdapter",)


class WebSocketManagerAdapter:
    """Serves all users through one object, with a manager of its own for every connection; a lock guards the table."""

    def __init__(self, factory: WebSocketManagerFactory | None = None) -> None:
        self._factory = factory or WebSocketManagerFactory()
        self._managers: dict[str, IsolatedWebSocketManager] = {}
        self._websockets: dict[str, WebSocket] = {}
        self._lock = threading.RLock()
        self._numbers = count(1)
        self._calls = 0

    async def connect_user(
        self, user_id: str, websocket: WebSocket, connection_metadata: dict[str, Any] | None = None
    ) -> str:
        """Register a websocket; gives the connection's id."""
        with self._lock:
            self._calls += 1
            connection_id = f"{user_id}_{next(self._numbers)}"
            context = UserContext(user_id, f"thread_{user_id}", f"run_{connection_id}", connection_id, connection_id)
            manager = self._factory.create_manager(context)
            record = ConnectionRecord(connection_id, user_id, websocket, metadata=dict(connection_metadata or {}))
            await manager.add_connection(record)
            self._managers[connection_id] = manager
            self._websockets[connection_id] = websocket
            return connection_id

    async def disconnect_user(self, user_id: str, websocket: WebSocket, code: int = 1000, reason: str = "") -> None:
        """Forget a websocket of the user."""
        with self._lock, contextlib.suppress(KeyError):
            self._calls += 1
            for connection_id, known in list(self._websockets.items()):
                if known is websocket:
                    manager = self._managers.pop(connection_id)
                    await manager.remove_connection(connection_id)
                    del self._websockets[connection_id]

    def get_user_connections(self, user_id: str) -> list[str]:
        with self._lock:
            return [name for name, manager in self._managers.items() if manager.user_context.user_id == user_id]

    async def send_to_user(self, user_id: str, message: Message) -> bool:
        """Send to each connection of the user; whether any of them took it."""
        delivered = False
        with self._lock:
            self._calls += 1
            for connection_id in self.get_user_connections(user_id):
                manager = self._managers.get(connection_id)
                if manager is not None and await manager.send_to_user(message):
                    delivered = True
        return delivered

    async def send_to_connection(self, connection_id: str, message: Message) -> bool:
        """Send to one connection; False for one that is not known."""
        manager = self._managers.get(connection_id)
        return manager is not None and await manager.send_to_user(message)

    async def broadcast_to_all(self, message: Message, exclude_users: Collection[str] = ()) -> int:
        """Send to everybody who is not excluded; how many connections took it."""
        delivered = 0
        with self._lock:
            self._calls += 1
            for manager in self._managers.values():
                if manager.user_context.user_id not in exclude_users:
                    delivered += await manager.send_to_user(message)
        return delivered

    async def get_stats(self) -> dict[str, Any]:
        return {"connections": len(self._managers), **self._factory.get_factory_stats()}

    def get_adapter_metrics(self) -> dict[str, Any]:
        return {"calls": self._calls, "connections": len(self._managers)}
