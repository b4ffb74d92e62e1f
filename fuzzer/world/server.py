"""A listening server in memory, with the methods of `asyncio.Server`, and whose connection its code runs for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any

from .interface import World
from .transport import MemorySocket, MemoryTransport

__all__ = ("MemoryServer", "connection", "connection_made")

connection: ContextVar[str | None] = ContextVar("crosswire_connection", default=None)
"""The name of the connection on whose behalf a server's code runs; tasks inherit it from whoever starts them."""


class MemoryServer(asyncio.AbstractServer):
    """A listening server, with the methods of `asyncio.Server`."""

    def __init__(
        self,
        loop: World,
        factory: Callable[[], asyncio.BaseProtocol],
        address: tuple[str, int],
        tls: Callable[[asyncio.BaseProtocol], asyncio.BaseProtocol] | None,
    ) -> None:
        self._loop = loop
        self._factory = factory
        self._context = copy_context()
        self._serving = False
        self._closed = False
        self._transports: dict[MemoryTransport, None] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._forever: asyncio.Future[None] | None = None
        self._tls = tls
        self.delay: float | None = None
        """Within how many seconds each message of a connection to it arrives, where it is a stand-in that says so."""
        self._owned: Any = None
        """The socket it was made from, which goes with it."""
        self.address = address
        self.sockets: tuple[MemorySocket, ...] = (MemorySocket(address, None),)

    def __repr__(self) -> str:
        return f"<MemoryServer {self.address[0]}:{self.address[1]}>"

    def own(self, sock: Any) -> None:
        """It was made from this socket, which goes with it."""
        self.sockets, self._owned = (sock,), sock

    def get_loop(self) -> World:
        return self._loop

    def is_serving(self) -> bool:
        return self._serving

    async def start_serving(self) -> None:
        self.listen()

    def listen(self) -> None:
        """Begin to take connections."""
        if self._closed:
            raise RuntimeError(f"server {self!r} is closed")
        self._serving = True
        self._loop.listening(self.address[1], self)

    async def serve_forever(self) -> None:
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        self.listen()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            try:
                self.close()
                await self.wait_closed()
            finally:
                raise
        finally:
            self._forever = None

    def close(self) -> None:
        if self._closed:
            return
        self._closed, self._serving = True, False
        self.sockets = ()
        if self._owned is not None:
            self._owned.close()
        self._loop.deaf(self.address[1], self)
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake()

    def close_clients(self) -> None:
        for transport in list(self._transports):
            transport.close()

    def abort_clients(self) -> None:
        for transport in list(self._transports):
            transport.abort()

    async def wait_closed(self) -> None:
        """Wait until closed and, as asyncio does since Python 3.12, until its connections are."""
        if self._closed and (sys.version_info < (3, 12) or not self._transports):
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        if self._closed and (sys.version_info < (3, 12) or not self._transports):
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiters.clear()

    def accept(self, name: str, there: tuple[str, int]) -> MemoryTransport:
        """Make a connection's end here; its protocol hears of it in the next iteration."""
        context = self._context.copy()
        context.run(connection.set, name)
        protocol = context.run(self._factory)
        if self._tls is not None:
            protocol = self._tls(protocol)
        transport = MemoryTransport(self._loop, name, protocol, self.address, there, context, self)
        self._transports[transport] = None
        transport.inflow.pause()
        self._loop.call_soon(connection_made, transport, context=context)
        return transport

    def detach(self, transport: MemoryTransport) -> None:
        """A connection is over."""
        self._transports.pop(transport, None)
        self._wake()


def connection_made(transport: MemoryTransport) -> None:
    """Tell the protocol first; only then is anything read."""
    try:
        transport.get_protocol().connection_made(transport)
    finally:
        if transport.is_reading():
            transport.inflow.resume()
