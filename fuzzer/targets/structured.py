"""Servers on trio: started in a nursery of the execution's, and ended with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from ..world import world_here
from ..world.trio_private import trio
from .serving import PORT

__all__ = ("listening_on_trio", "websockets_on_trio")


@asynccontextmanager
async def listening_on_trio(main: Callable[[], Awaitable[Any]], *, port: int | None = None) -> AsyncIterator[None]:
    """Run ``main()`` until a server listens, where ``port`` is known one there; in the end cancel it.

    ``main`` does not return before: whose listeners it has opened is the nursery's within it.
    """

    async def run() -> None:
        await main()
        if not world_here().listeners:
            raise RuntimeError("it returned and nothing listens")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await world_here().wait_listening(port)
        yield
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def websockets_on_trio(handler: Callable[[Any], Awaitable[None]], **options: Any) -> AsyncIterator[None]:
    """A handler behind the trio server of `websockets`."""
    from websockets.trio.server import serve

    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, handler, PORT, host="127.0.0.1", **options))
        yield
        await server.aclose()
