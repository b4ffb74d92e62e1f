"""A conversation locks both sides: in the sender's order, which two who write to each other cannot; or in one order."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

tabs: defaultdict[str, set[ServerConnection]] = defaultdict(set)
locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)


async def store() -> None:
    await asyncio.sleep(0.01)


async def deliver(user: str, to: str, text: str) -> None:
    for tab in list(tabs[to]):
        await tab.send(json.dumps({"from": user, "text": text}))


async def as_they_come(user: str, to: str, text: str) -> None:
    async with locks[user]:
        await store()
        async with locks[to]:  # here: each waits for the other's
            await store()
    await deliver(user, to, text)


async def in_order(user: str, to: str, text: str) -> None:
    async with AsyncExitStack() as held:
        for name in sorted({user, to}):
            await held.enter_async_context(locks[name])
        await store()
    await deliver(user, to, text)


async def serve(socket: ServerConnection, say: Callable[[str, str, str], Awaitable[None]]) -> None:
    assert socket.request is not None
    user = socket.request.path.rpartition("/")[2]
    tabs[user].add(socket)
    try:
        async for text in socket:
            message = json.loads(text)
            if "to" in message:  # what is for all is dropped, which is another bug
                await say(user, message["to"], message["text"])
    except ConnectionClosed:
        pass
    finally:
        tabs[user].discard(socket)


async def wrong(socket: ServerConnection) -> None:
    await serve(socket, as_they_come)


async def right(socket: ServerConnection) -> None:
    await serve(socket, in_order)
