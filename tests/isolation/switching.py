"""Servers that let a client log in again over its connection, as chats with one login form do: right ones and wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from crosswire.fuzzer import Adapter, Client, Event, JsonWire, latency

WIRE = JsonWire(
    path="/ws",
    first=[{"type": "login", "token": "{token}"}],
    ready={"type": "ready"},
    refused={"type": "denied"},
    user="user",
    sender="from",
    recipient="for",
    to_user={"type": "say", "to": "{to}", "text": "{event}"},
    logout={"type": "logout"},
    authenticates=True,
    logs_in_again=True,
)


class Visit:
    """One socket, and who it is at the moment."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.user: str | None = None
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def write(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await self.socket.send_json(await self.outbox.get())


Login = Callable[[Visit, str | None], Awaitable[None]]
"""Make somebody of a visit, or nobody."""

visits: dict[str, list[Visit]] = defaultdict(list)


def user_of(token: str) -> str | None:
    return token.removeprefix("token-") if token.startswith("token-") else None


async def _chat(socket: WebSocket, becomes: Login, name: Callable[[Visit], str | None]) -> None:
    await socket.accept()
    visit = Visit(socket)
    writer = asyncio.create_task(visit.write())
    try:
        while True:
            message = await socket.receive_json()
            if message["type"] == "say":
                if visit.user is not None:
                    for other in list(visits[message["to"]]):
                        said = {"from": name(visit), "for": message["to"], "text": message["text"]}
                        other.outbox.put_nowait(said)
                continue
            user = user_of(message["token"]) if message["type"] == "login" else None
            if user is None and message["type"] == "login":
                visit.outbox.put_nowait({"type": "denied"})
                continue
            await becomes(visit, user)
            if user is not None:
                visit.outbox.put_nowait({"type": "ready", "user": user})
    except WebSocketDisconnect:
        pass
    finally:
        for tabs in visits.values():
            while visit in tabs:
                tabs.remove(visit)
        writer.cancel()


async def moves(visit: Visit, user: str | None) -> None:
    """Right: who it was it is no more."""
    if visit.user is not None:
        visits[visit.user].remove(visit)
    visit.user = user
    if user is not None:
        visits[user].append(visit)


async def looks_up(visit: Visit, user: str | None) -> None:
    """Right: nobody while the user is looked up."""
    await moves(visit, None)
    if user is not None:
        await asyncio.sleep(0.01)
        await moves(visit, user)


async def stays(visit: Visit, user: str | None) -> None:
    """Wrong: who it was it still is, besides."""
    visit.user = user
    if user is not None:
        visits[user].append(visit)


async def forgets(visit: Visit, user: str | None) -> None:
    """Wrong: only the first login is entered anywhere."""
    if visit.user is None or user is None:
        await moves(visit, user)
    else:
        visits[visit.user].remove(visit)
        visit.user = user


async def now(visit: Visit, user: str | None) -> None:
    visit.socket.state.first = getattr(visit.socket.state, "first", user)
    await moves(visit, user)


def _served(becomes: Login, name: Callable[[Visit], str | None] = lambda visit: visit.user) -> Starlette:
    async def endpoint(socket: WebSocket) -> None:
        await _chat(socket, becomes, name)

    return Starlette(routes=[WebSocketRoute("/ws", endpoint)])


moving, looking, staying, forgetting = _served(moves), _served(looks_up), _served(stays), _served(forgets)
signing = _served(now, lambda visit: visit.socket.state.first)
"""Wrong: whatever a client says is signed by who it was first."""


class Switchboard(Adapter):
    """Right: a manager whose clients may authenticate again, and log out meanwhile."""

    logs_in_again = True

    def __init__(self) -> None:
        self.here: dict[Client, str] = {}

    async def connect(self, client: Client) -> Any: ...

    async def authenticate(self, client: Client, token: str) -> str | None:
        self.here.pop(client, None)
        await latency("token")
        user = user_of(token)
        if user is not None:
            self.here[client] = user
        return user

    async def log_out(self, client: Client) -> None:
        self.here.pop(client, None)

    async def emit(self, event: Event) -> Any:
        for client in [client for client, user in self.here.items() if user == event.to]:
            if self.here.get(client) == event.to:
                with contextlib.suppress(ConnectionError):
                    await client.websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> Any:
        self.here.pop(client, None)

    def is_active(self, user: str) -> bool:
        return user in self.here.values()


class KeepsBoth(Switchboard):
    """Wrong: each login is entered beside the ones before."""

    def __init__(self) -> None:
        super().__init__()
        self.tabs: dict[str, set[str]] = defaultdict(set)
        self.clients: dict[str, Client] = {}

    async def authenticate(self, client: Client, token: str) -> str | None:
        user = await super().authenticate(client, token)
        if user is not None:
            self.clients[client.id] = client
            self.tabs[user].add(client.id)
        return user

    async def log_out(self, client: Client) -> None:
        await self.disconnect(client)

    async def emit(self, event: Event) -> Any:
        for name in sorted(self.tabs[event.to or ""]):
            with contextlib.suppress(ConnectionError):
                await self.clients[name].websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> Any:
        await super().disconnect(client)
        for tabs in self.tabs.values():
            tabs.discard(client.id)
