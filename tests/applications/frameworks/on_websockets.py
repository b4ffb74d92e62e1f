"""websockets: handlers of one and of two arguments, and ``serve`` in ``main``."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast, serve

peers: set[ServerConnection] = set()


async def handler(socket: ServerConnection) -> None:
    peers.add(socket)
    try:
        async for text in socket:
            broadcast(peers, text)
    finally:
        peers.discard(socket)


async def with_path(socket: ServerConnection, path: str) -> None:
    assert path.startswith("/")
    await handler(socket)


async def main() -> None:
    async with serve(handler, "localhost", 8080):
        await asyncio.Future()
