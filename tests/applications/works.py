"""A chat on `websockets` without a fault."""

from websockets.asyncio.server import ServerConnection, broadcast

CLIENTS: set[ServerConnection] = set()


async def handler(websocket: ServerConnection) -> None:
    CLIENTS.add(websocket)
    try:
        async for text in websocket:
            broadcast(CLIENTS, text)
    finally:
        CLIENTS.discard(websocket)
