"""Counts messages in a task that fails where nobody looks."""

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast

CLIENTS: set[ServerConnection] = set()
COUNTS: dict[str, int] = {}
TASKS: set[asyncio.Task[None]] = set()


async def count(path: str) -> None:
    COUNTS[path] += 1


async def handler(websocket: ServerConnection) -> None:
    assert websocket.request is not None
    CLIENTS.add(websocket)
    try:
        async for text in websocket:
            task = asyncio.create_task(count(websocket.request.path))
            TASKS.add(task)
            task.add_done_callback(TASKS.discard)
            broadcast(CLIENTS, text)
    finally:
        CLIENTS.discard(websocket)
