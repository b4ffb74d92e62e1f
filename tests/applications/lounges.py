"""Lounges that go wrong only after a while: of each, one that does and one that does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict

from crosswire.fuzzer import Adapter, Client, Event


class Lounge(Adapter):
    """Every tab has a queue and a writer, so that nobody waits for a client that does not read."""

    def __init__(self) -> None:
        self.tabs: dict[str, dict[Client, asyncio.Queue[object]]] = defaultdict(dict)
        self.rooms: dict[str, set[Client]] = defaultdict(set)
        self.writers: dict[Client, asyncio.Task[None]] = {}

    async def connect(self, client: Client) -> None:
        queue = self.tabs[client.user][client] = asyncio.Queue()
        self.writers[client] = asyncio.create_task(self.write(client, queue))

    async def write(self, client: Client, queue: asyncio.Queue[object]) -> None:
        with contextlib.suppress(Exception):
            while True:
                await client.websocket.send_json(await queue.get())

    async def emit(self, event: Event) -> None:
        for queue in self.tabs[event.to or ""].values():
            queue.put_nowait(event.payload)

    async def disconnect(self, client: Client) -> None:
        self.tabs[client.user].pop(client, None)
        for members in self.rooms.values():
            members.discard(client)
        self.writers.pop(client).cancel()

    async def log_out(self, client: Client) -> None:
        await self.disconnect(client)
        self.writers[client] = asyncio.create_task(asyncio.sleep(0))


class Forgets(Lounge):
    """Half a minute after a user has left, the user's tabs are forgotten."""

    async def disconnect(self, client: Client) -> None:
        await super().disconnect(client)
        asyncio.get_running_loop().call_later(30.0, self.tabs.pop, client.user, None)


class ForgetsTheAbsent(Lounge):
    """The same, unless the user is back."""

    async def disconnect(self, client: Client) -> None:
        await super().disconnect(client)
        asyncio.get_running_loop().call_later(30.0, self.forget, client.user)

    def forget(self, user: str) -> None:
        if not self.tabs[user]:
            del self.tabs[user]


class Crowded(Lounge):
    """Beyond eight tabs, the oldest is forgotten."""

    most = 8

    async def connect(self, client: Client) -> None:
        await super().connect(client)
        if sum(map(len, self.tabs.values())) > self.most:
            oldest = next(iter(self.writers))
            self.tabs[oldest.user].pop(oldest, None)


class Roomy(Crowded):
    """The same beyond as many as nobody opens."""

    most = 1_000


class Permits(Lounge):
    """Sends under one of six permits; where a client goes meanwhile, its permit is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.permits = asyncio.Semaphore(6)

    async def write(self, client: Client, queue: asyncio.Queue[object]) -> None:
        while True:
            payload = await queue.get()
            await self.permits.acquire()
            await client.websocket.send_json(payload)
            self.permits.release()

    async def disconnect(self, client: Client) -> None:
        writer = self.writers[client]
        await super().disconnect(client)
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await writer


class PermitsBack(Permits):
    """The same, and gives every permit back."""

    async def write(self, client: Client, queue: asyncio.Queue[object]) -> None:
        while True:
            payload = await queue.get()
            async with self.permits:
                await client.websocket.send_json(payload)


class Rooms(Lounge):
    """What is said in a room goes to its members."""

    async def join(self, client: Client, room: str) -> None:
        self.rooms[room].add(client)

    async def leave(self, client: Client, room: str) -> None:
        self.rooms[room].discard(client)

    async def emit_to_room(self, event: Event) -> None:
        for tabs in self.tabs.values():
            for client, queue in tabs.items():
                if client in self.rooms[event.room or ""]:
                    queue.put_nowait(event.payload)


class NeverLeft(Rooms):
    """Who leaves a room goes on hearing what is said there."""

    async def leave(self, client: Client, room: str) -> None:
        pass


class OneRoom(Rooms):
    """Who joins a room is taken out of the one before."""

    async def join(self, client: Client, room: str) -> None:
        for members in self.rooms.values():
            members.discard(client)
        await super().join(client, room)


class Slowly(Rooms):
    """What is said in a room goes through moderation, for some time, and then to those who were there before."""

    def __init__(self) -> None:
        super().__init__()
        self.moderated: set[asyncio.Task[None]] = set()

    async def emit_to_room(self, event: Event) -> None:
        task = asyncio.create_task(self.moderate(event))
        self.moderated.add(task)
        task.add_done_callback(self.moderated.discard)

    async def moderate(self, event: Event) -> None:
        members = [client for client in self.writers if client in self.rooms[event.room or ""]]
        await asyncio.sleep(8.0)
        for client in members:
            if client in self.tabs[client.user]:
                self.tabs[client.user][client].put_nowait(event.payload)


class SlowlyAndSurely(Slowly):
    """The same, to those who are there after it."""

    async def moderate(self, event: Event) -> None:
        await asyncio.sleep(8.0)
        await Rooms.emit_to_room(self, event)
