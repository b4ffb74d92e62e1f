"""The plainest handler for ``websockets.serve``: what a client says goes to everybody, until it is gone."""

from __future__ import annotations

import json

from websockets.asyncio.server import ServerConnection, broadcast

__all__ = ("handler",)

here: set[ServerConnection] = set()


async def handler(connection: ServerConnection) -> None:
    here.add(connection)
    try:
        await connection.send(json.dumps({"type": "ready"}))
        async for said in connection:
            broadcast(here, said)
    finally:
        here.discard(connection)
