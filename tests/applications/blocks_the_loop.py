"""Sleeps on the event loop's thread."""

import time

from websockets.asyncio.server import ServerConnection, broadcast

CLIENTS: set[ServerConnection] = set()


def render(text: str | bytes) -> str | bytes:
    time.sleep(0.5)
    return text


async def handler(websocket: ServerConnection) -> None:
    CLIENTS.add(websocket)
    try:
        async for text in websocket:
            broadcast(CLIENTS, render(text))
    finally:
        CLIENTS.discard(websocket)
