"""Three chats written with anyio, each with a bug; two of them are bugs on one event loop only.

crosswire run examples.anyio_chats:FanOut --backend both
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio

from crosswire.fuzzer import Adapter, Client, Event, latency


class Rooms(Adapter):
    """Whose connections there are, by user."""

    def __init__(self) -> None:
        self.rooms: dict[str, list[Any]] = {}

    async def connect(self, client: Client) -> None:
        await client.websocket.accept()
        self.rooms.setdefault(client.user, []).append(client.websocket)

    async def disconnect(self, client: Client) -> None:
        if client.websocket in self.rooms.get(client.user, []):
            self.rooms[client.user].remove(client.websocket)

    async def deliver(self, user: str | None, payload: dict[str, Any]) -> None:
        """Send to each connection of a user at once; those that have left get nothing."""
        async with anyio.create_task_group() as group:
            for websocket in list(self.rooms.get(user or "", [])):
                group.start_soon(self.send, user, websocket, payload)

    async def send(self, user: str | None, websocket: Any, payload: dict[str, Any]) -> None:
        if websocket in self.rooms.get(user or "", []):  # nobody has logged out meanwhile
            with suppress(ConnectionError):
                await websocket.send_json(payload)


class FanOut(Rooms):
    """On both: the first send that fails cancels the task group, and with it those to everybody else."""

    async def emit(self, event: Event) -> None:
        try:
            await self.deliver(event.to, event.payload)
        except* ConnectionError:
            pass

    async def send(self, user: str | None, websocket: Any, payload: dict[str, Any]) -> None:
        await latency("translation")
        if websocket in self.rooms.get(user or "", []):
            await websocket.send_json(payload)


class Latest(Rooms):
    """On trio alone: tasks that are started one after the other do not begin in that order."""

    def __init__(self) -> None:
        super().__init__()
        self.latest: dict[str | None, dict[str, Any]] = {}

    async def emit(self, event: Event) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self.keep, event)
            group.start_soon(self.deliver_latest, event.to)

    async def keep(self, event: Event) -> None:
        self.latest[event.to] = event.payload

    async def deliver_latest(self, user: str | None) -> None:
        if user in self.latest:
            await self.deliver(user, self.latest[user])


class Shielded(Rooms):
    """On asyncio alone: a shield of anyio's keeps off no cancelled task, and the lock stays taken."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = anyio.Lock()

    async def emit(self, event: Event) -> None:
        with anyio.CancelScope(shield=True):
            await self.lock.acquire()
            await latency("archive")
            self.lock.release()
        await self.deliver(event.to, event.payload)
