"""Servers that are sent messages without a meaning: what they make of them tells the right ones from the wrong ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from crosswire.fuzzer import JsonWire, Presence

WIRE = JsonWire(
    path="/?user={user}",
    ready={"type": "online"},
    to_user={"to": "{to}", "text": "{event}"},
    online=Presence({"type": "online"}, users="users", came={"type": "came"}, left={"type": "left"}, user="user"),
)

Tell = Callable[[str], None]

online: dict[str, list[Tell]] = {}


def come(user: str, tell: Tell) -> None:
    fresh = user not in online
    online.setdefault(user, []).append(tell)
    tell(json.dumps({"type": "online", "users": sorted(online)}))
    if fresh:
        to_others(user, json.dumps({"type": "came", "user": user}))


def go(user: str, tell: Tell) -> None:
    online[user].remove(tell)
    if not online[user]:
        del online[user]
        to_others(user, json.dumps({"type": "left", "user": user}))


def to_others(user: str, raw: str) -> None:
    for tell in [one for name, tells in online.items() if name != user for one in tells]:
        tell(raw)


def pass_on(raw: str) -> None:
    frame = json.loads(raw)
    for tell in online.get(frame["to"], []):
        tell(json.dumps({"type": "dm", "text": frame["text"]}))


async def write(send: Any, queue: asyncio.Queue[str]) -> None:
    while True:
        raw = await queue.get()
        json.loads(raw)
        await send({"type": "websocket.send", "text": raw})


def app(handle: Callable[[str, str], bool], *, tidy: bool = True) -> Any:
    """An ASGI application; ``handle`` takes a user's message, and says whether to go on; ``tidy`` cleans up always."""

    async def serve(scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        user = parse_qs(scope["query_string"].decode())["user"][0]
        queue: asyncio.Queue[str] = asyncio.Queue()
        come(user, queue.put_nowait)
        writer = asyncio.create_task(write(send, queue))
        there = False
        try:
            while (message := await receive())["type"] == "websocket.receive":
                if not handle(user, message["text"]):
                    await send({"type": "websocket.close", "code": 1003})
                    return
            there = True
        finally:
            if tidy or there:
                go(user, queue.put_nowait)
            writer.cancel()

    return serve


def deferred(user: str, raw: str) -> bool:
    """What is not understood raises in nobody's conversation."""
    asyncio.get_running_loop().call_soon(pass_on, raw)
    return True


def guarded(user: str, raw: str) -> bool:
    try:
        pass_on(raw)
    except (ValueError, LookupError, TypeError):
        return False
    return True


def careless(user: str, raw: str) -> bool:
    pass_on(raw)
    return True


def relayed(user: str, raw: str) -> bool:
    """What is not understood is somebody else's problem."""
    if not guarded(user, raw):
        to_others(user, raw)
    return True


hangs_up = app(guarded)
raises = app(careless)
forgets = app(guarded, tidy=False)
relays = app(relayed)
defers = app(deferred)


async def handler(connection: ServerConnection) -> None:
    """The clean-up stands behind the loop, and a message without a meaning returns from within."""
    assert connection.request is not None
    user = parse_qs(urlsplit(connection.request.path).query)["user"][0]
    queue: asyncio.Queue[str] = asyncio.Queue()

    async def send() -> None:
        while True:
            await connection.send(await queue.get())

    come(user, queue.put_nowait)
    writer = asyncio.create_task(send())
    try:
        async for raw in connection:
            if not guarded(user, str(raw)):
                await connection.close(1003)
                return
    except ConnectionClosed:
        pass
    finally:
        writer.cancel()
    go(user, queue.put_nowait)
