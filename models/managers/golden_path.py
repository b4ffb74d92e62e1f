"""The golden path: accept, authenticate, register, run the agent, disconnect; in front of any manager.

The five events of a run are `CRITICAL_EVENTS`, each exactly once and in this order.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from .records import WebSocket

__all__ = (
    "CRITICAL_EVENTS",
    "AuthService",
    "AuthenticationError",
    "BreakerEndpoint",
    "Emitter",
    "GoldenPathEndpoint",
    "PooledRunsEndpoint",
    "SharedLoginEndpoint",
)

CRITICAL_EVENTS = ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed")


class AuthenticationError(Exception):
    """The token is worth nothing."""


class AuthService(Protocol):
    """Knows whose token it is; takes its time."""

    async def validate(self, token: str) -> str:
        """The user behind a token; raises `AuthenticationError`."""


class ServesUsers(Protocol):
    """What the endpoint needs of a manager."""

    async def connect_user(self, user_id: str, websocket: WebSocket) -> Any:
        """Serve a websocket of a user."""

    async def disconnect_user(self, user_id: str, websocket: WebSocket) -> None:
        """Stop serving it."""

    async def emit_critical_event(self, user_id: str, event_type: str, data: dict[str, Any]) -> bool:
        """Send one of the five events."""


class Emitter:
    """Says how far an agent's run is, to the user who asked for it."""

    def __init__(self, manager: ServesUsers, user_id: str, run_id: str) -> None:
        self._manager = manager
        self.user_id = user_id
        self.run_id = run_id

    async def emit(self, event_type: str, data: dict[str, Any]) -> bool:
        """Send one of the five events in the run's name."""
        return await self._manager.emit_critical_event(self.user_id, event_type, {**data, "run_id": self.run_id})


class GoldenPathEndpoint:
    """Lets clients in, says who they are, and hands them to the manager."""

    def __init__(self, manager: ServesUsers, auth: AuthService) -> None:
        self.manager = manager
        self.auth = auth
        self._waiting: dict[str, WebSocket] = {}
        self._users: dict[str, tuple[str, WebSocket]] = {}

    def accept(self, connection_id: str, websocket: WebSocket) -> None:
        """A client has arrived; it is nobody yet."""
        self._waiting[connection_id] = websocket

    async def authenticate(self, connection_id: str, token: str) -> str:
        """Log a client in; gives the user it is now."""
        user_id = await self.auth.validate(token)
        return await self._let_in(connection_id, user_id)

    async def _let_in(self, connection_id: str, user_id: str) -> str:
        websocket = self._waiting.pop(connection_id)
        self._users[connection_id] = (user_id, websocket)
        await self.manager.connect_user(user_id, websocket)
        return user_id

    def begin_run(self, user_id: str, run_id: str) -> Emitter:
        """A user has asked the agent something: what its answer is sent with."""
        return Emitter(self.manager, user_id, run_id)

    async def disconnect(self, connection_id: str) -> None:
        """A client has gone, logged in or not."""
        self._waiting.pop(connection_id, None)
        known = self._users.pop(connection_id, None)
        if known is not None:
            await self.manager.disconnect_user(*known)


class SharedLoginEndpoint(GoldenPathEndpoint):
    """An endpoint that keeps the user being logged in where every part of the login can see it.

    Planted: in no stored version of the original.
    """

    def __init__(self, manager: ServesUsers, auth: AuthService) -> None:
        super().__init__(manager, auth)
        self.current_user = ""

    async def authenticate(self, connection_id: str, token: str) -> str:
        """Log a client in; gives the user it is now."""
        self.current_user = token.removeprefix("token-")
        await self.auth.validate(token)
        return await self._let_in(connection_id, self.current_user)


class PooledRunsEndpoint(GoldenPathEndpoint):
    """An endpoint that makes an emitter once for each user, and lends it to the user's runs."""

    def __init__(self, manager: ServesUsers, auth: AuthService) -> None:
        super().__init__(manager, auth)
        self._pool: dict[str, Emitter] = {}

    def begin_run(self, user_id: str, run_id: str) -> Emitter:
        """A user has asked the agent something: what its answer is sent with."""
        emitter = self._pool.setdefault(user_id, Emitter(self.manager, user_id, run_id))
        emitter.run_id = run_id
        return emitter


class BreakerEndpoint(GoldenPathEndpoint):
    """An endpoint that spares the auth service for a while when it has refused several logins in a row."""

    THRESHOLD = 5
    OPEN_FOR = 30.0

    def __init__(self, manager: ServesUsers, auth: AuthService) -> None:
        super().__init__(manager, auth)
        self._refused = 0
        self._open_until = 0.0

    async def authenticate(self, connection_id: str, token: str) -> str:
        """Log a client in; gives the user it is now."""
        if time.time() < self._open_until:
            raise AuthenticationError("the auth service is not available")
        try:
            user_id = await self.auth.validate(token)
        except AuthenticationError:
            self._refused += 1
            if self._refused >= self.THRESHOLD:
                self._refused, self._open_until = 0, time.time() + self.OPEN_FOR
            raise
        self._refused = 0
        return await self._let_in(connection_id, user_id)
