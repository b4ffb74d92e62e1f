"""Makes one isolated manager per connection context, and bounds how many a user may have."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from .isolated import IsolatedWebSocketManager
from .records import UserContext

__all__ = ("WebSocketManagerFactory", "isolation_key_of")

SWEEP_INTERVAL = 300.0
CROWDED = 0.5
"""The share of a user's managers in use from which on room is made before the limit is met."""
SPARE_AFTER = 10.0
"""Seconds without traffic after which a manager is given up where room is made."""


def isolation_key_of(context: UserContext) -> str:
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
        self._endings: set[asyncio.Task[None]] = set()

    def create_manager(self, user_context: UserContext) -> IsolatedWebSocketManager:
        """The manager of a context, made where there is none; `RuntimeError` beyond the user's limit."""
        key = isolation_key_of(user_context)
        with self._lock:
            manager = self._managers.get(key)
            if manager is not None and manager.get_manager_stats()["active"]:
                return manager
            self._forget(key)
            self._make_room(user_context.user_id)
            self.enforce_resource_limits(user_context.user_id)
            manager = IsolatedWebSocketManager(user_context)
            self._managers[key] = manager
            self._created_at[key] = time.time()
            self._per_user[user_context.user_id] = self._per_user.get(user_context.user_id, 0) + 1
            if self._sweeper is None:
                self._sweeper = asyncio.create_task(self._sweep())
            return manager

    def get_manager(self, isolation_key: str) -> IsolatedWebSocketManager | None:
        with self._lock:
            return self._managers.get(isolation_key)

    async def cleanup_manager(self, isolation_key: str) -> bool:
        """End a manager and forget it; False where there is none."""
        with self._lock:
            manager = self._managers.get(isolation_key)
            if manager is None:
                return False
            await manager.cleanup_all_connections()
            self._forget(isolation_key)
            return True

    def _forget(self, key: str) -> None:
        manager = self._managers.pop(key, None)
        self._created_at.pop(key, None)
        if manager is not None:
            self._per_user[manager.user_context.user_id] -= 1

    def _make_room(self, user_id: str) -> None:
        """End the managers of a user that have been silent for a while, where the limit comes near."""
        if self._per_user.get(user_id, 0) < self._max_managers_per_user * CROWDED:
            return
        silent_since = time.time() - SPARE_AFTER
        for key, manager in list(self._managers.items()):
            if manager.user_context.user_id == user_id and manager.get_manager_stats()["last_activity"] <= silent_since:
                self._forget(key)
                ending = asyncio.create_task(manager.cleanup_all_connections())
                self._endings.add(ending)
                ending.add_done_callback(self._endings.discard)

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
                if manager is not None and now - created > self._timeout:
                    figures = manager.get_manager_stats()
                    if not figures["connections"]:
                        await self.cleanup_manager(key)

    async def shutdown(self) -> None:
        """Stop the sweep and end every manager."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for key in list(self._managers):
            await self.cleanup_manager(key)
