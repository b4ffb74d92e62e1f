"""The seven managers, each plugged in the way its application uses it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar, TypeGuard

from ...fuzzer.targets import Adapter, Client, Event, Policy
from . import (
    DegradedWebSocketManager,
    EmergencyWebSocketManager,
    IsolatedWebSocketManager,
    UnifiedWebSocketManager,
    WebSocketManagerAdapter,
    WebSocketManagerFactory,
)
from .factory import isolation_key_of
from .records import ConnectionRecord, UserContext

__all__ = (
    "DegradedAdapter",
    "EmergencyAdapter",
    "FactoryAdapter",
    "IsolatedAdapter",
    "OwnIdsAdapter",
    "SingletonAdapter",
    "UnifiedAdapter",
)

DEVICES = ("browser", "mobile")


def context_of(user: str, connection: str | None = None) -> UserContext:
    """The context of a user's request on a connection."""
    return UserContext(user, f"thread-{user}", f"run-{user}", f"request-{connection or user}", connection)


def in_use(manager: IsolatedWebSocketManager | None) -> TypeGuard[IsolatedWebSocketManager]:
    """Whether there is a manager, and it takes calls."""
    return manager is not None and bool(manager.get_manager_stats()["active"])


class IsolatedAdapter(Adapter):
    """One `IsolatedWebSocketManager` for each user; a new one after a clean-up."""

    policy = Policy(idle=1800.0, kept="next", logs_out=True)
    checks_identity = True

    def __init__(self) -> None:
        self.managers: dict[str, IsolatedWebSocketManager] = {}

    def manager(self, user: str) -> IsolatedWebSocketManager:
        return self.managers.setdefault(user, IsolatedWebSocketManager(context_of(user)))

    async def connect(self, client: Client) -> None:
        manager = client.state["manager"] = self.manager(client.user)
        await manager.add_connection(ConnectionRecord(client.id, client.identity or "", client.websocket))

    async def emit(self, event: Event) -> bool:
        return await self.manager(event.to or "").send_to_user(event.payload)

    async def emit_critical(self, event: Event) -> bool:
        return await self.manager(event.to or "").emit_critical_event(event.type, event.data)

    async def disconnect(self, client: Client) -> None:
        manager: IsolatedWebSocketManager = client.state["manager"]
        if in_use(manager):
            await manager.remove_connection(client.id)

    async def clean_up(self, user: str) -> None:
        manager = self.managers.pop(user, None)
        if manager is not None:
            await manager.cleanup_all_connections()

    def registry(self) -> Iterable[str]:
        return [name for manager in self.managers.values() for name in manager.get_user_connections()]

    def is_active(self, user: str) -> bool:
        return user in self.managers and self.managers[user].is_connection_active(user)


class FactoryAdapter(Adapter):
    """`WebSocketManagerFactory`: a manager for every device of a user, at most two a user.

    Every third connection comes from an older mobile app, which names its device in the other attribute of the context.
    """

    policy = Policy(per_user=2, idle=1800.0, logs_out=True)

    def __init__(self) -> None:
        self.factory = WebSocketManagerFactory(max_managers_per_user=2)
        self.clients: list[Client] = []

    @staticmethod
    def device(client: Client) -> str:
        return DEVICES[int(client.id[1:]) % 3 == 2]

    def context(self, client: Client) -> UserContext:
        device = self.device(client)
        base = context_of(client.user, device if device == "browser" else None)
        return replace(base, request_id=f"request-{client.id}", websocket_client_id=device)

    def key(self, client: Client) -> str:
        return isolation_key_of(self.context(client))

    async def connect(self, client: Client) -> None:
        manager = self.factory.create_manager(self.context(client))
        self.clients.append(client)
        await manager.add_connection(ConnectionRecord(client.id, client.user, client.websocket))

    async def emit(self, event: Event) -> bool:
        delivered = False
        for key in dict.fromkeys(self.key(client) for client in self.clients if client.user == event.to):
            manager = self.factory.get_manager(key)
            if in_use(manager) and await manager.send_to_user(event.payload):
                delivered = True
        return delivered

    async def disconnect(self, client: Client) -> None:
        manager = self.factory.get_manager(self.key(client))
        self._forget(client)
        if in_use(manager):
            await manager.remove_connection(client.id)
            if in_use(manager) and not manager.get_user_connections():
                await self.factory.cleanup_manager(self.key(client))

    async def log_out(self, client: Client) -> None:
        manager = self.factory.get_manager(self.key(client))
        self._forget(client)
        if in_use(manager):
            if manager.get_user_connections() == [client.id]:
                await self.factory.cleanup_manager(self.key(client))
            else:
                await manager.remove_connection(client.id)

    def _forget(self, client: Client) -> None:
        if client in self.clients:
            self.clients.remove(client)

    def registry(self) -> Iterable[str]:
        managers = {key: self.factory.get_manager(key) for key in map(self.key, self.clients)}
        return [name for manager in managers.values() if in_use(manager) for name in manager.get_user_connections()]

    def is_active(self, user: str) -> bool:
        managers = [self.factory.get_manager(f"{user}:{device}") for device in DEVICES]
        return any(in_use(manager) and manager.is_connection_active(user) for manager in managers)


class FallbackAdapter(Adapter):
    """A fallback manager for each user, made by ``new``."""

    policy = Policy(logs_out=True)
    checks_identity = True
    new: ClassVar[Callable[..., Any]]

    def __init__(self) -> None:
        self.managers: dict[str, Any] = {}

    def manager(self, user: str) -> Any:
        if user not in self.managers:
            self.managers[user] = type(self).new(user)
        return self.managers[user]

    async def connect(self, client: Client) -> None:
        manager = self.manager(client.user)
        if client.identity == client.user:
            client.state["id"] = await manager.connect_user(client.user, client.websocket)
        else:
            client.state["id"] = client.id
            await manager.add_connection(ConnectionRecord(client.id, client.identity or "", client.websocket))

    async def emit(self, event: Event) -> bool:
        return bool(await self.manager(event.to or "").send_to_user(event.payload))

    async def emit_critical(self, event: Event) -> bool:
        return bool(await self.manager(event.to or "").emit_critical_event(event.type, event.data))

    async def disconnect(self, client: Client) -> None:
        await self.manager(client.user).disconnect_user(client.identity or "", client.websocket, 1000, "left")

    async def clean_up(self, user: str) -> None:
        await self.manager(user).cleanup_all_connections()

    def registry(self) -> Iterable[object]:
        return [
            manager.get_connection(name).websocket
            for manager in self.managers.values()
            for name in manager.get_user_connections()
        ]


class EmergencyAdapter(FallbackAdapter):
    """`EmergencyWebSocketManager`, one for each user."""

    new = staticmethod(lambda user: EmergencyWebSocketManager(context_of(user)))

    def is_active(self, user: str) -> bool:
        return any(manager.is_connection_active(user) for manager in self.managers.values())


class DegradedAdapter(FallbackAdapter):
    """`DegradedWebSocketManager`, one for each user."""

    new = staticmethod(lambda user: DegradedWebSocketManager({"user_id": user}))


class UnifiedAdapter(Adapter):
    """`UnifiedWebSocketManager`, shared by all."""

    policy = Policy(kept="each", logs_out=True)
    disconnect_overlaps = True

    def __init__(self) -> None:
        self.manager = UnifiedWebSocketManager()
        self.ids: dict[str, Client] = {}

    async def connect(self, client: Client) -> None:
        self.ids[await self.manager.connect_user(client.user, client.websocket)] = client

    async def emit(self, event: Event) -> bool:
        return await self.manager.send_to_user(event.to or "", event.payload)

    async def emit_critical(self, event: Event) -> bool:
        return await self.manager.emit_critical_event(event.to or "", event.type, event.data)

    async def emit_to_thread(self, event: Event, thread: str) -> bool:
        return await self.manager.send_to_thread(thread, event.payload)

    async def broadcast(self, event: Event) -> None:
        await self.manager.broadcast(event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.manager.disconnect_user(client.user, client.websocket)

    def registry(self) -> Iterable[object]:
        known = self.manager.get_stats()["registered"]
        return [self.ids[name] for name in known if name in self.ids]

    def is_active(self, user: str) -> bool:
        return self.manager.is_connection_active(user)


class OwnIdsAdapter(UnifiedAdapter):
    """`UnifiedWebSocketManager` where clients bring their connections' ids: each browser numbers its tabs."""

    def __init__(self) -> None:
        super().__init__()
        self.tabs: Counter[str] = Counter()

    async def connect(self, client: Client) -> None:
        self.tabs[client.user] += 1
        name = f"tab-{self.tabs[client.user]}"
        await self.manager.add_connection(ConnectionRecord(name, client.user, client.websocket))

    def registry(self) -> Iterable[object]:
        names = {name: user for user in self.tabs for name in self.manager.get_user_connections(user)}
        return [record.websocket for name in names if (record := self.manager.get_connection(name)) is not None]


class SingletonAdapter(Adapter):
    """`WebSocketManagerAdapter` over a factory that allows two managers a user."""

    policy = Policy(per_user=2, logs_out=True)

    def __init__(self) -> None:
        self.manager = WebSocketManagerAdapter(WebSocketManagerFactory(max_managers_per_user=2))

    async def connect(self, client: Client) -> None:
        await self.manager.connect_user(client.user, client.websocket)

    async def emit(self, event: Event) -> bool:
        return await self.manager.send_to_user(event.to or "", event.payload)

    async def broadcast(self, event: Event) -> None:
        await self.manager.broadcast_to_all(event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.manager.disconnect_user(client.user, client.websocket)
