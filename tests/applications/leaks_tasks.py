"""Starts a task for every client and never ends it."""

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast

CLIENTS: set[ServerConnection] = set()
TASKS: list[asyncio.Task[None]] = []


async def watch() -> None:
    while True:
        await asyncio.sleep(3600)


async def handler(websocket: ServerConnection) -> None:
    TASKS.append(asyncio.create_task(watch()))
    CLIENTS.add(websocket)
    try:
        async for text in websocket:
            broadcast(CLIENTS, text)
    finally:
        CLIENTS.discard(websocket)
