"""Starts its ticker when the first client comes, and leaves it to the program's end."""

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast

CLIENTS: set[ServerConnection] = set()
TASKS: list[asyncio.Task[None]] = []


async def tick() -> None:
    while True:
        await asyncio.sleep(3600)
        broadcast(CLIENTS, "tick")


async def handler(websocket: ServerConnection) -> None:
    if not TASKS:
        TASKS.append(asyncio.create_task(tick()))
    CLIENTS.add(websocket)
    try:
        async for text in websocket:
            broadcast(CLIENTS, text)
    finally:
        CLIENTS.discard(websocket)
