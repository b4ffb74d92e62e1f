"""One shared manager for all users: the single source of truth for who is connected."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from .background import BackgroundTasks
from .records import ConnectionRecord, Message, WebSocket

__all__ = ("UnifiedWebSocketManager",)

RETRIES = 3
RETRY_DELAY = 1.0
KEPT = 50
"""Messages kept for a user who is absent."""
REPLAY_TIMEOUT = 5.0


class UnifiedWebSocketManager:
    """All connections of all users.  A lock per user orders what is done for a user; a global one guards the tables.

    Messages for a user without a connection are kept, and replayed to all of the user's connections when one arrives.
    """

    def __init__(self) -> None:
        self._connections: dict[str, ConnectionRecord] = {}
        self._by_user: dict[str, list[str]] = {}
        self._registry: dict[str, str] = {}
        self._recovery: dict[str, deque[Message]] = {}
        self._jobs: dict[str, list[WebSocket]] = {}
        self._errors: list[tuple[float, str]] = []
        self._user_locks: dict[str, asyncio.Lock] = {}
        self._creation_lock = asyncio.Lock()
        self._lock = asyncio.Lock()
        self._numbers = count(1)
        self._background = BackgroundTasks()

    async def _lock_of(self, user_id: str) -> asyncio.Lock:
        async with self._creation_lock:
            return self._user_locks.setdefault(user_id, asyncio.Lock())

    def _note_failure(self, error: Exception) -> None:
        self._errors.append((time.time(), type(error).__name__))

    # -- connections ------------------------------

    async def add_connection(self, connection: ConnectionRecord) -> None:
        """Serve one more connection, and replay what its user missed."""
        async with await self._lock_of(connection.user_id), self._lock:
            self._connections[connection.connection_id] = connection
            mine = self._by_user.setdefault(connection.user_id, [])
            if connection.connection_id not in mine:
                mine.append(connection.connection_id)
        if self._recovery.get(connection.user_id):
            await self.attempt_message_recovery(connection.user_id)

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

    def get_connection_id_by_websocket(self, websocket: WebSocket) -> str | None:
        return next((name for name, known in self._connections.items() if known.websocket is websocket), None)

    async def find_connection(self, user_id: str, websocket: WebSocket) -> ConnectionRecord | None:
        for connection_id in self.get_user_connections(user_id):
            connection = self._connections.get(connection_id)
            if connection is not None and connection.websocket is websocket:
                return connection
        return None

    def update_connection_thread(self, connection_id: str, thread_id: str) -> bool:
        """Note which thread a connection follows; False for a connection that is not known."""
        connection = self._connections.get(connection_id)
        if connection is not None:
            connection.metadata["thread_id"] = thread_id
        return connection is not None

    def is_connection_active(self, user_id: str) -> bool:
        return bool(self._by_user.get(user_id))

    async def wait_for_connection(self, user_id: str, timeout: float = 5.0, check_interval: float = 0.1) -> bool:
        """Whether the user is connected before ``timeout`` seconds are over."""
        until = time.time() + timeout
        while not self.is_connection_active(user_id):
            if time.time() >= until:
                return False
            await asyncio.sleep(check_interval)
        return True

    async def connect_user(self, user_id: str, websocket: WebSocket) -> str:
        """Serve a websocket; gives the connection's id."""
        connection_id = f"{user_id}_{next(self._numbers)}"
        await self.add_connection(ConnectionRecord(connection_id, user_id, websocket))
        self._registry[connection_id] = user_id
        return connection_id

    async def disconnect_user(self, user_id: str, websocket: WebSocket, code: int = 1000, reason: str = "") -> None:
        """Forget a websocket of the user."""
        connection = await self.find_connection(user_id, websocket)
        if connection is not None:
            self._registry.pop(connection.connection_id, None)
            await self.remove_connection(connection.connection_id)

    async def connect_to_job(self, websocket: WebSocket, job_id: str) -> None:
        """Let a websocket follow a job."""
        self._jobs.setdefault(job_id, []).append(websocket)

    async def disconnect_from_job(self, job_id: str, websocket: WebSocket) -> None:
        """Let a websocket no longer follow a job."""
        followers = self._jobs.get(job_id, [])
        if websocket in followers:
            followers.remove(websocket)
        if not followers:
            self._jobs.pop(job_id, None)

    # -- messages ------------------------------

    async def send_to_user(self, user_id: str, message: Message) -> bool:
        """Send to each connection of the user, or keep the message where there is none."""
        async with await self._lock_of(user_id):
            mine = self.get_user_connections(user_id)
            if not mine:
                self._keep(user_id, message)
                return False
            delivered = 0
            for connection_id in mine:
                connection = self._connections.get(connection_id)
                if connection is None:
                    continue
                try:
                    await connection.websocket.send_json(message)
                    delivered += 1
                except Exception as error:
                    self._note_failure(error)
                    await self.remove_connection(connection_id)
            return delivered > 0

    async def send_to_user_with_wait(self, user_id: str, message: Message, wait_timeout: float = 3.0) -> bool:
        """Send to the user, who may take up to ``wait_timeout`` seconds to arrive."""
        await self.wait_for_connection(user_id, wait_timeout)
        return await self.send_to_user(user_id, message)

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
        # Planted, in no stored version of the original: what is kept here is kept once more by the sending.
        if not self.is_connection_active(user_id):
            self._keep(user_id, message)
        return await self.send_to_user(user_id, message)

    async def broadcast(self, message: Message) -> int:
        """Send to every connection; how many took it."""
        delivered = 0
        for connection in list(self._connections.values()):
            try:
                await connection.websocket.send_json(message)
                delivered += 1
            except Exception as error:
                self._note_failure(error)
        return delivered

    async def handle_message(self, user_id: str, websocket: WebSocket, message: Message) -> bool:
        """Take in what a client says: which thread it follows, and whether the server is there."""
        connection = await self.find_connection(user_id, websocket)
        if connection is None:
            return False
        if "thread_id" in message:
            self.update_connection_thread(connection.connection_id, message["thread_id"])
        if message.get("type") == "ping":
            await websocket.send_json({"type": "pong"})
        return True

    # -- what absent users missed ------------------------------

    def _keep(self, user_id: str, message: Message) -> None:
        self._recovery.setdefault(user_id, deque(maxlen=KEPT)).append(message)

    async def attempt_message_recovery(self, user_id: str) -> bool:
        """Send the user what was kept; False where that took too long."""
        try:
            await asyncio.wait_for(self.process_recovery_queue(user_id), REPLAY_TIMEOUT)
        except TimeoutError as error:
            self._note_failure(error)
            return False
        finally:
            # Planted, in no stored version of the original: two arrivals in quick succession replay the same messages.
            self._recovery.pop(user_id, None)
        return True

    async def process_recovery_queue(self, user_id: str) -> None:
        """Send what was kept for the user to each of the user's connections."""
        for message in list(self._recovery.get(user_id, ())):
            for connection_id in self.get_user_connections(user_id):
                connection = self._connections.get(connection_id)
                if connection is not None:
                    try:
                        await connection.websocket.send_json(message)
                    except ConnectionError as error:
                        self._note_failure(error)

    # -- how it is doing ------------------------------

    def get_connection_health(self, user_id: str) -> dict[str, Any]:
        return {"user_id": user_id, "connections": len(self._by_user.get(user_id, ()))}

    def get_stats(self) -> dict[str, Any]:
        return {
            "connections": len(self._connections),
            "registered": dict(self._registry),
            "waiting": {user: len(messages) for user, messages in self._recovery.items()},
            "failed": len(self._errors),
        }

    def get_error_statistics(self) -> dict[str, int]:
        """How often each class of error was met."""
        kinds = [kind for _, kind in self._errors]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    async def cleanup_error_data(self, older_than_hours: float = 24) -> int:
        """Forget errors of the past; how many."""
        before = len(self._errors)
        since = time.time() - older_than_hours * 3600
        self._errors = [(when, kind) for when, kind in self._errors if when >= since]
        return before - len(self._errors)

    def get_background_task_status(self) -> dict[str, str]:
        return self._background.states()

    async def start_monitored_background_task(
        self, task_name: str, coro_func: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
    ) -> bool:
        """Run a coroutine in the background, and again where it fails; False where one of that name runs."""
        return self._background.start(task_name, coro_func, *args, **kwargs)

    async def stop_background_task(self, task_name: str) -> bool:
        return await self._background.stop(task_name)

    async def health_check_background_tasks(self) -> dict[str, str]:
        """Restart what has failed; the states before."""
        states = self._background.states()
        self._background.restart_failed()
        return states

    async def restart_background_monitoring(self, force_restart: bool = False) -> bool:
        """Begin monitoring anew; False where it runs and need not."""
        if self._background.watching and not force_restart:
            return False
        self._background.watch()
        return True

    async def enable_background_monitoring(self, restart_previous_tasks: bool = True) -> None:
        self._background.watch()
        if restart_previous_tasks:
            self._background.restart_failed()

    async def shutdown_background_monitoring(self) -> None:
        """Stop every background task, and watching over them."""
        await self._background.end()

    async def get_monitoring_health_status(self) -> dict[str, Any]:
        return {"watching": self._background.watching, "tasks": self._background.states()}
