"""The server of `benchmarks.sessions`: logs a client in with its first message and sends back what it says."""

from __future__ import annotations

import json

from websockets.asyncio.server import ServerConnection

__all__ = ("handler",)


async def handler(websocket: ServerConnection) -> None:
    """One client."""
    user = json.loads(await websocket.recv())["login"]
    await websocket.send(json.dumps({"type": "ready", "user": user}))
    async for frame in websocket:
        await websocket.send(json.dumps({"type": "message", "text": json.loads(frame)["text"]}))
