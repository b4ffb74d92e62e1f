"""Wrong servers for the tests of causes: ``# here`` stands at the line that a cause must name first."""

from __future__ import annotations

import asyncio

from crosswire.fuzzer import Adapter, latency
from crosswire.fuzzer.targets.adapter import Client, Event


class Locked(Adapter):
    """Waits for its own lock where a send fails: everything else is stuck behind that."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._here: dict[str, Client] = {}

    async def connect(self, client: Client) -> None:
        async with self._lock:
            self._here[client.id] = client

    async def emit(self, event: Event) -> None:
        async with self._lock:
            for client in list(self._here.values()):
                if client.user == event.to:
                    try:
                        await client.websocket.send_json(event.payload)
                    except ConnectionError:
                        await self._forget(client)  # here: Locked

    async def disconnect(self, client: Client) -> None:
        await self._forget(client)

    async def _forget(self, client: Client) -> None:
        async with self._lock:
            self._here.pop(client.id, None)


class Renamed(Adapter):
    """The same after a refactoring: names changed, the loop moved into a helper."""

    def __init__(self) -> None:
        self._guard = asyncio.Lock()
        self._clients: dict[str, Client] = {}

    async def connect(self, client: Client) -> None:
        async with self._guard:
            self._clients[client.id] = client

    async def emit(self, event: Event) -> None:
        async with self._guard:
            await self._tell_all(event)

    async def _tell_all(self, event: Event) -> None:
        for client in list(self._clients.values()):
            if client.user == event.to:
                try:
                    await client.websocket.send_json(event.payload)
                except ConnectionError:
                    await self._drop(client)

    async def disconnect(self, client: Client) -> None:
        await self._drop(client)

    async def _drop(self, client: Client) -> None:
        async with self._guard:
            self._clients.pop(client.id, None)


class Late(Adapter):
    """Enters who has left while it looked the user up: the registry names them, and so does its answer."""

    disconnect_overlaps = True

    def __init__(self) -> None:
        self._here: dict[str, Client] = {}

    async def connect(self, client: Client) -> None:
        await latency("user")  # here: Late
        self._here[client.id] = client

    async def emit(self, event: Event) -> None:
        for client in list(self._here.values()):
            if client.user == event.to:
                try:
                    await client.websocket.send_json(event.payload)
                except ConnectionError:
                    continue

    async def disconnect(self, client: Client) -> None:
        self._here.pop(client.id, None)

    def registry(self) -> list[str]:
        return list(self._here)


class Walks(Adapter):
    """Walks a table that changes meanwhile: the walk raises."""

    def __init__(self) -> None:
        self._here: dict[str, Client] = {}

    async def connect(self, client: Client) -> None:
        self._here[client.id] = client

    async def emit(self, event: Event) -> None:
        for client in self._here.values():  # here: Walks
            if client.user == event.to:
                try:
                    await client.websocket.send_json(event.payload)
                except ConnectionError:
                    continue

    async def disconnect(self, client: Client) -> None:
        self._here.pop(client.id, None)


class Mistaken(Adapter):
    """Two bugs: threads are taken for users, and who comes again takes the first connection's place."""

    def __init__(self) -> None:
        self._of: dict[str, Client] = {}

    async def connect(self, client: Client) -> None:
        self._of[client.user] = client

    async def emit(self, event: Event) -> None:
        await self._send(event.to, event)

    async def emit_to_thread(self, event: Event, thread: str) -> None:
        await self._send(thread, event)  # here: Mistaken

    async def _send(self, user: str | None, event: Event) -> None:
        client = self._of.get(user or "")
        if client is not None:
            try:
                await client.websocket.send_json(event.payload)
            except ConnectionError:
                return

    async def disconnect(self, client: Client) -> None:
        if self._of.get(client.user) is client:
            del self._of[client.user]


class Remembers(Adapter):
    """Keeps who is coming on itself while it looks them up: who comes meanwhile is who both are."""

    def __init__(self) -> None:
        self._coming = ""
        self._here: dict[str, tuple[str, Client]] = {}

    async def connect(self, client: Client) -> None:
        self._coming = client.user
        await latency("user")  # here: Remembers
        user = self._coming
        self._here[client.id] = user, client

    async def emit(self, event: Event) -> None:
        for user, client in list(self._here.values()):
            if user == event.to:
                try:
                    await client.websocket.send_json(event.payload)
                except ConnectionError:
                    continue

    async def disconnect(self, client: Client) -> None:
        self._here.pop(client.id, None)


class Absent(Adapter):
    """Takes a user for absent when the first of the user's tabs leaves."""

    def __init__(self) -> None:
        self._tabs: dict[str, list[Client]] = {}
        self._present: set[str] = set()
        self._missed = 0

    async def connect(self, client: Client) -> None:
        self._tabs.setdefault(client.user, []).append(client)
        self._present.add(client.user)

    async def emit(self, event: Event) -> None:
        if event.to not in self._present:
            self._missed += 1
            return
        for client in list(self._tabs[event.to]):
            try:
                await client.websocket.send_json(event.payload)
            except ConnectionError:
                continue

    async def disconnect(self, client: Client) -> None:
        self._tabs[client.user].remove(client)
        self._present.discard(client.user)  # here: Absent


class Misdirects(Adapter):
    """Whatever is said goes to who came last: others hear it, and whom it is for does not."""

    def __init__(self) -> None:
        self._here: list[Client] = []

    async def connect(self, client: Client) -> None:
        self._here.append(client)

    async def emit(self, event: Event) -> None:
        if self._here:
            try:
                await self._here[-1].websocket.send_json(event.payload)  # here: Misdirects
            except ConnectionError:
                return

    async def disconnect(self, client: Client) -> None:
        self._here.remove(client)
