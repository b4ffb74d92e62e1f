"""Servers that listen through trio: `websockets`' own, one in a nursery of the application's, hypercorn's worker."""

from __future__ import annotations

from contextlib import suppress

import trio
from hypercorn.config import Config
from hypercorn.trio import serve as serve_asgi
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection, serve

from crosswire.fuzzer import JsonWire

from . import on_anyio

wire = JsonWire(path="/{user}", to_user=None, to_all="{event}")

online: list[ServerConnection] = []


async def walks(connection: ServerConnection) -> None:
    """While one client is written to, another leaves the list that is walked."""
    online.append(connection)
    try:
        async for text in connection:
            for other in online:
                await other.send(text)
    finally:
        online.remove(connection)


async def write(connection: ServerConnection, text: str | bytes) -> None:
    with suppress(ConnectionClosed):
        await connection.send(text)


async def repaired(connection: ServerConnection) -> None:
    online.append(connection)
    try:
        async for text in connection:
            async with trio.open_nursery() as nursery:
                for other in online:
                    nursery.start_soon(write, other, text)
    finally:
        online.remove(connection)


async def main() -> None:
    await serve(repaired, 8000)


async def contagious() -> None:
    """Who cannot be written to ends the server, and everybody's connection with it."""
    async with trio.open_nursery() as nursery:

        async def talk(connection: ServerConnection) -> None:
            online.append(connection)
            try:
                async for text in connection:
                    for other in online:
                        nursery.start_soon(other.send, text)
            finally:
                online.remove(connection)

        await nursery.start(serve, talk, 8000)


async def hypercorn() -> None:
    config = Config()
    config.bind = ["127.0.0.1:8000"]
    await serve_asgi(on_anyio.repaired, config, mode="asgi")  # type: ignore[arg-type]
