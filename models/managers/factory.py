"""Makes one isolated manager per connection context, and bounds how many a user may have."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from .isolated import IsolatedWebSocketManager
from .records import UserContext

__all__ = ("WebSocketManagerFactory", "isolation_key")

SWEEP_INTERVAL = 300.0


def isolation_key(context: UserContext) -> str:
    """Names the manager that serves a context."""
    return f"{context.user_id}:{context.websocket_connection_id or context.request_id}"


class WebSocketManagerFactory:
    """The managers by isolation key, and how many each user has; a lock guards both."""

    def __init__(self, max_managers_per_user: int = 5, connection_timeout_seconds: float = 1800) -> None:
        self._max_managers_per_user = max_managers_per_user
        self._timeout = connection_timeout_seconds
        self._managers: dict[str, IsolatedWebSocketManager] = {}
        self._created_at: dict[str, float] = {}
        self._per_user: dict[str, int] = {}
        self._lock = threading.RLock()
        self._sweeper: asyncio.Task[None] | None = None

    def create_manager(self, context: UserContext) -> IsolatedWebSocketManager:
        """The manager of a context, made where there is none; `RuntimeError` beyond the user's limit."""
        key = isolation_key(context)
        with self._lock:
            manager = self._managers.get(key)
            if manager is not None and manager.active:
                return manager
            if manager is not None:
                del self._managers[key]
            self.enforce_resource_limits(context.user_id)
            manager = IsolatedWebSocketManager(context)
            self._managers[key] = manager
            self._created_at[key] = time.time()
            self._per_user[context.user_id] = self._per_user.get(context.user_id, 0) + 1
            if self._sweeper is None:
                self._sweeper = asyncio.create_task(self._sweep())
            return manager

    def get_manager(self, key: str) -> IsolatedWebSocketManager | None:
        with self._lock:
            return self._managers.get(key)

    async def cleanup_manager(self, key: str) -> bool:
        """Tell the clients, close their connections, and forget the manager; False where there is none."""
        with self._lock:
            manager = self._managers.get(key)
            if manager is None:
                return False
            websockets = [
                record.websocket
                for name in manager.get_user_connections()
                if (record := manager.get_connection(name)) is not None
            ]
            await manager.cleanup_all_connections()
            for websocket in websockets:
                await websocket.send_json({"type": "going_away"})
                await websocket.close(1001)
            self._managers.pop(key, None)
            self._created_at.pop(key, None)
            user = manager.user_context.user_id
            self._per_user[user] = self._per_user.get(user, 1) - 1
            return True

    def enforce_resource_limits(self, user_id: str) -> None:
        """Raise where a user has as many managers as one may have."""
        with self._lock:
            if self._per_user.get(user_id, 0) >= self._max_managers_per_user:
                raise RuntimeError(f"maximum number of managers ({self._max_managers_per_user}) reached for {user_id}")

    def get_factory_stats(self) -> dict[str, Any]:
        with self._lock:
            return {"managers": len(self._managers), "per_user": dict(self._per_user)}

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            now = time.time()
            for key, created in list(self._created_at.items()):
                manager = self._managers.get(key)
                if manager is not None and not manager.get_user_connections() and now - created > self._timeout:
                    await self.cleanup_manager(key)

    async def shutdown(self) -> None:
        """Stop the sweep and clean every manager up."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for key in list(self._managers):
            await self.cleanup_manager(key)
