"""Does not let go of a client that has left."""

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast

CLIENTS: set[ServerConnection] = set()


async def linger() -> None:
    await asyncio.Event().wait()


async def handler(websocket: ServerConnection) -> None:
    CLIENTS.add(websocket)
    async for text in websocket:
        broadcast(CLIENTS, text)
    await linger()
