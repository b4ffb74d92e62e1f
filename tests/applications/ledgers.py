"""Managers that remember something of their clients: some for good, of each, and some as they may."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import OrderedDict, defaultdict, deque
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from crosswire.fuzzer import Adapter, Client, Event, Policy
from crosswire.fuzzer.targets.websocket import FakeWebSocket


class Ledger(Adapter):
    """Knows who is there, by a number of its own."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.here: dict[int, Client] = {}

    async def connect(self, client: Client) -> None:
        number = client.state["number"] = next(self.numbers)
        self.here[number] = client
        self.came(number, client)

    async def emit(self, event: Event) -> None:
        for client in list(self.here.values()):
            if client.user == event.to:
                await client.websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> None:
        self.here.pop(client.state["number"], None)
        self.left(client.state["number"], client)

    def came(self, number: int, client: Client) -> None: ...

    def left(self, number: int, client: Client) -> None: ...


# -- for good, of each ------------------------------


class Seen(Ledger):
    """When each connection came."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, float] = {}

    def came(self, number: int, client: Client) -> None:
        self.seen[number] = time.monotonic()


class Names(Ledger):
    """A set of names, in something that hangs on the manager."""

    def __init__(self) -> None:
        super().__init__()
        self.books: dict[str, tuple[set[str]]] = {"names": (set(),)}

    def came(self, number: int, client: Client) -> None:
        self.books["names"][0].add(f"{client.user}-{number}")


class Channels(Ledger):
    """A list of records with a queue each."""

    def __init__(self) -> None:
        super().__init__()
        self.channels: list[dict[str, Any]] = []

    def came(self, number: int, client: Client) -> None:
        self.channels.append({"user": client.user, "outbox": [asyncio.Queue()]})


class Locked(Ledger):
    """A lock for each connection, made when something is first sent there."""

    def __init__(self) -> None:
        super().__init__()
        self.locks: dict[int, asyncio.Lock] = {}

    async def emit(self, event: Event) -> None:
        for number, client in list(self.here.items()):
            if client.user == event.to:
                async with self.locks.setdefault(number, asyncio.Lock()):
                    await client.websocket.send_json(event.payload)


class Rebuilt(Seen):
    """A new dictionary each time, with everybody in it all the same."""

    def left(self, number: int, client: Client) -> None:
        self.seen = dict(self.seen)


class Turned(Seen):
    """Away: nobody ever comes in, and what is written down of that is another matter."""

    async def connect(self, client: Client) -> None:
        await super().connect(client)
        raise ConnectionError("full")


class Ticking(Seen):
    """With something to do every second, for good."""

    async def start(self) -> None:
        self.ticker = asyncio.create_task(self.tick())

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(1)


# -- as they may ------------------------------


class Journal(Ledger):
    """A history: a list of plain records, each with a way back to what the manager has."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = asyncio.Lock()
        self.journal: list[object] = []

    def came(self, number: int, client: Client) -> None:
        self.journal.append((time.monotonic(), client.user, {"number": number}, self))


class Archive(Ledger):
    """All that was ever said, by its id, and a lock for each user."""

    def __init__(self) -> None:
        super().__init__()
        self.archive: dict[str, object] = {}
        self.locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def emit(self, event: Event) -> None:
        self.archive[event.id] = {"said": event.payload, "at": time.monotonic()}
        async with self.locks[event.to or ""]:
            await super().emit(event)


class Forgetful(Seen):
    """What is older than a while goes, when the next one comes."""

    def came(self, number: int, client: Client) -> None:
        now = time.monotonic()
        self.seen = {other: since for other, since in self.seen.items() if now - since < 3600}
        super().came(number, client)


class Newest(Ledger):
    """The newest ten."""

    def __init__(self) -> None:
        super().__init__()
        self.newest: OrderedDict[int, str] = OrderedDict()
        self.queues: deque[asyncio.Queue[object]] = deque(maxlen=100)

    def came(self, number: int, client: Client) -> None:
        self.newest[number] = client.user
        self.queues.append(asyncio.Queue())
        if len(self.newest) > 10:
            self.newest.popitem(last=False)


class Loosely(Ledger):
    """References that keep nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.sockets: WeakSet[FakeWebSocket] = WeakSet()
        self.since: WeakKeyDictionary[FakeWebSocket, float] = WeakKeyDictionary()

    def came(self, number: int, client: Client) -> None:
        self.sockets.add(client.websocket)
        self.since[client.websocket] = time.monotonic()
        greeting(number)


@lru_cache(maxsize=500)
def greeting(number: int) -> str:
    return f"you are number {number}"


class Users(Ledger):
    """What is known of a user, however often the user comes."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict[str, float]] = defaultdict(dict)

    def came(self, number: int, client: Client) -> None:
        self.users[client.user]["last seen"] = time.monotonic()


class Written(Seen):
    """On purpose."""

    policy = Policy(records=True)
