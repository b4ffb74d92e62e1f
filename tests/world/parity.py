"""The same program on asyncio's own loop, over real loopback sockets, and in the world."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import WorldLoop

__all__ = (
    "BIG",
    "Handler",
    "Log",
    "Main",
    "connected",
    "differing",
    "on_stock",
    "on_world",
    "serving",
)

Log = list[Any]
Main = Callable[[Log], Coroutine[Any, Any, None]]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BIG = 16_000_000
"""Bytes that no kernel takes while nobody reads."""


def on_stock(main: Main) -> Log:
    log: Log = []
    asyncio.run(asyncio.wait_for(main(log), 20))
    return log


def on_world(main: Main, seed: int | None = None) -> Log:
    log: Log = []
    WorldLoop().run_coroutine(main(log), RandomWalk(seed) if seed is not None else None)
    return log


async def serving(handler: Handler, **options: Any) -> tuple[asyncio.Server, int]:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0, **options)
    return server, server.sockets[0].getsockname()[1]


async def connected(handler: Handler, **options: Any) -> tuple[asyncio.Server, asyncio.StreamReader, Any]:
    server, port = await serving(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    return server, reader, writer


def differing(main: Main) -> dict[int, Log]:
    """Schedules, by their seed, under which it comes to something else in the world than under the plainest."""
    expected = on_world(main)
    logs = {seed: on_world(main, seed) for seed in range(16)}
    gc.collect(1)  # what is younger than the test
    return {seed: log for seed, log in logs.items() if log != expected}
