"""What is said to somebody goes through a gate of theirs; whose speaker hangs up in it leaves it shut, or does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from websockets.asyncio.server import ServerConnection, broadcast

tabs: dict[str, set[ServerConnection]] = {}
gates: dict[str, asyncio.Semaphore] = {}

Gate = Callable[[asyncio.Semaphore], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def stays_shut(gate: asyncio.Semaphore) -> AsyncIterator[None]:
    await gate.acquire()
    yield
    gate.release()


@asynccontextmanager
async def opens_again(gate: asyncio.Semaphore) -> AsyncIterator[None]:
    async with gate:
        yield


async def served(connection: ServerConnection, through: Gate) -> None:
    assert connection.request is not None
    user = connection.request.path[1:]
    tabs.setdefault(user, set()).add(connection)
    reader = asyncio.ensure_future(read(connection, through))
    try:
        await connection.wait_closed()
    finally:
        tabs[user].discard(connection)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def read(connection: ServerConnection, through: Gate) -> None:
    async for frame in connection:
        said = json.loads(frame)
        async with through(gates.setdefault(said["to"], asyncio.Semaphore(1))):
            await asyncio.sleep(0.02)
            broadcast(tabs.get(said["to"], ()), json.dumps(said))


left_shut = partial(served, through=stays_shut)
open_again = partial(served, through=opens_again)
