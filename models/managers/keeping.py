"""The managers that keep their promises, plugged in alone and behind the golden path's endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from ...fuzzer.targets import Adapter, Client, Event, Policy
from ...fuzzer.world import latency
from . import OutboxWebSocketManager, ReferenceWebSocketManager
from .golden_path import (
    AuthenticationError,
    BreakerEndpoint,
    Emitter,
    GoldenPathEndpoint,
    PooledRunsEndpoint,
    SharedLoginEndpoint,
)

__all__ = (
    "BreakerAdapter",
    "GoldenPathAdapter",
    "OutboxAdapter",
    "PooledRunsAdapter",
    "ReferenceAdapter",
    "SharedLoginAdapter",
)


class KeepingAdapter(Adapter):
    """The managers that keep every promise; a client is who its token says."""

    policy = Policy(kept="next", logs_out=True)
    checks_identity = True
    new: ClassVar[Callable[[], ReferenceWebSocketManager | OutboxWebSocketManager]]

    def __init__(self) -> None:
        self.manager = type(self).new()

    async def connect(self, client: Client) -> None:
        await self.manager.connect_user(client.identity or "", client.websocket)

    async def emit(self, event: Event) -> bool:
        return await self.manager.send_to_user(event.to or "", event.payload)

    async def emit_critical(self, event: Event) -> bool:
        return await self.manager.emit_critical_event(event.to or "", event.type, event.data)

    async def emit_to_thread(self, event: Event, thread: str) -> bool:
        self.manager.bind_thread(thread, event.to or "")
        return await self.manager.send_to_thread(thread, event.payload)

    async def broadcast(self, event: Event) -> None:
        await self.manager.broadcast(event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.manager.disconnect_user(client.identity or "", client.websocket)

    async def clean_up(self, user: str) -> None:
        await self.manager.clean_up_user(user)

    async def shut_down(self) -> None:
        await self.manager.shutdown()

    def registry(self) -> Iterable[object]:
        return self.manager.connections()

    def is_active(self, user: str) -> bool:
        return self.manager.is_connection_active(user)


class ReferenceAdapter(KeepingAdapter):
    """`ReferenceWebSocketManager`, shared by all."""

    new = ReferenceWebSocketManager


class OutboxAdapter(KeepingAdapter):
    """`OutboxWebSocketManager`, shared by all."""

    new = OutboxWebSocketManager


class TokenService:
    """Validates tokens after a simulated delay."""

    async def validate(self, token: str) -> str:
        await latency("auth")
        kind, _, user = token.partition("-")
        if kind != "token":
            raise AuthenticationError(f"{token} is not valid")
        return user


class GoldenPathAdapter(KeepingAdapter):
    """The golden-path endpoint before the reference manager."""

    endpoint_class: ClassVar[type[GoldenPathEndpoint]] = GoldenPathEndpoint
    new = ReferenceWebSocketManager

    def __init__(self) -> None:
        super().__init__()
        self.endpoint = self.endpoint_class(self.manager, TokenService())
        self.runs: dict[str, Emitter] = {}

    async def connect(self, client: Client) -> None:
        self.endpoint.accept(client.id, client.websocket)

    async def authenticate(self, client: Client, token: str) -> str:
        return await self.endpoint.authenticate(client.id, token)

    async def emit_critical(self, event: Event) -> bool:
        run, user = event.run or "", event.to or ""
        if run not in self.runs:
            self.runs[run] = self.endpoint.begin_run(user, run)
        await latency("agent")
        return await self.runs[run].emit(event.type, event.data)

    async def disconnect(self, client: Client) -> None:
        await self.endpoint.disconnect(client.id)


class SharedLoginAdapter(GoldenPathAdapter):
    """The endpoint whose handshakes share the user being logged in."""

    endpoint_class = SharedLoginEndpoint


class PooledRunsAdapter(GoldenPathAdapter):
    """The endpoint whose runs share an emitter for each user."""

    endpoint_class = PooledRunsEndpoint


class BreakerAdapter(GoldenPathAdapter):
    """The endpoint that lets nobody in for a while after several wrong logins."""

    endpoint_class = BreakerEndpoint
