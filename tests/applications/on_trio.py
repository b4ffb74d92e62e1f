"""Chats as ASGI has them, by hand and on trio: one at fault in three ways, and what repairs each."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import Any

import trio

from crosswire.fuzzer import HttpLogin, JsonWire

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

wire = JsonWire(
    before=HttpLogin("POST", "/enter", json={"name": "{user}"}, token="token"),
    path="/{token}",
    to_user=None,
    to_all="{event}",
)


class Chat:
    """Whoever is connected has a mailbox, which a task in the lifespan's nursery empties."""

    def __init__(self) -> None:
        self.mailboxes: dict[str, trio.MemorySendChannel[str]] = {}
        self.nursery: trio.Nursery
        self.comings = 0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self.live(receive, send)
            case "http":
                await self.enter(receive, send)
            case "websocket":
                await self.talk(receive, send)

    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with trio.open_nursery() as self.nursery:
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.nursery.cancel_scope.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def enter(self, receive: Receive, send: Send) -> None:
        name = json.loads((await receive())["body"])["name"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps({"token": name}).encode()})

    async def talk(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        name = f"client {self.comings}"
        self.comings += 1
        self.mailboxes[name], mailbox = trio.open_memory_channel[str](inf)
        self.start(mailbox, send)
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                for other in self.mailboxes.values():
                    other.send_nowait(message["text"])
        finally:
            self.mailboxes.pop(name).close()

    def start(self, mailbox: Any, send: Send) -> None:
        self.nursery.start_soon(self.write, mailbox, send)

    async def write(self, mailbox: Any, send: Send) -> None:
        async with mailbox:
            async for text in mailbox:
                with suppress(OSError, RuntimeError):  # it has gone, or been closed
                    await send({"type": "websocket.send", "text": text})


class Contagious(Chat):
    """The task whose client has left fails, and with it the nursery, and everybody's."""

    async def write(self, mailbox: Any, send: Send) -> None:
        await super().write(mailbox, send)
        raise ConnectionError("nobody is there any more")


class Leaves(Chat):
    """For each client something is given to trio itself."""

    def start(self, mailbox: Any, send: Send) -> None:
        super().start(mailbox, send)
        trio.lowlevel.spawn_system_task(self.remind)

    async def remind(self) -> None:
        await trio.sleep_forever()


class Raises(Chat):
    """It fails when a client has left; and says goodbye, also while it is cancelled."""

    async def talk(self, receive: Receive, send: Send) -> None:
        try:
            await super().talk(receive, send)
            raise LookupError("nobody is there")
        finally:
            with suppress(OSError, RuntimeError):
                await send({"type": "websocket.send", "text": "goodbye"})


class Keeps(Chat):
    """It keeps what each client was written to through; in a list, as one keeps a history."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[trio.MemoryReceiveChannel[str]] = []

    def start(self, mailbox: Any, send: Send) -> None:
        self.kept.append(mailbox)
        super().start(mailbox, send)


class Writes(Keeps):
    """It keeps no more than how many there were before."""

    def start(self, mailbox: Any, send: Send) -> None:
        super().start(mailbox, send)
        self.kept.clear()
        self.history.append(self.comings)

    def __init__(self) -> None:
        super().__init__()
        self.history: list[int] = []


class Stays(Chat):
    """It never ends what it began in its lifespan."""

    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        async with trio.open_nursery() as self.nursery:
            await receive()
            await trio.sleep_forever()


chat = Chat()
contagious = Contagious()
leaves = Leaves()
raises = Raises()
stays = Stays()
keeps = Keeps()
writes = Writes()
