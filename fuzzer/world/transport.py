"""The ends of connections in memory: asyncio transports, which behave as its own selector transports do.

Flow control included; what is on its way between two ends is a `Flow`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from functools import cache
from typing import Any, Protocol

from .flow import END, RESET, Flow
from .interface import World

__all__ = ("MemorySocket", "MemoryTransport")

HIGH_WATER = 64 * 1024
"""asyncio's own default for a transport's write buffer, in bytes (Transport.set_write_buffer_limits)."""


class MemorySocket:
    """What servers ask of the socket behind a transport: its addresses; options are accepted and mean nothing."""

    def __init__(self, here: tuple[str, int], there: tuple[str, int] | None) -> None:
        self.family = socket.AF_INET
        self.type = socket.SOCK_STREAM
        self.proto = socket.IPPROTO_TCP
        self._here = here
        self._there = there
        self.open = True

    def getsockname(self) -> tuple[str, int]:
        return self._here

    def getpeername(self) -> tuple[str, int]:
        if self._there is None:
            raise OSError(errno.ENOTCONN, "not connected")
        return self._there

    def fileno(self) -> int:
        """While open, a descriptor at which nothing is ever to be read: a transport leaves nothing lying there.

        Pools ask it, by `select.poll`, whether the far end has hung up (httpcore, before it uses a connection again).
        """
        return _nothing_to_read() if self.open else -1

    def setsockopt(self, *args: Any) -> None:
        pass

    def getsockopt(self, *args: Any) -> int:
        return 0


_pipe = os.pipe  # before a world gates it


@cache
def _nothing_to_read() -> int:
    return _pipe()[0]


class Server(Protocol):
    """Who has taken a connection."""

    def detach(self, transport: MemoryTransport) -> None:
        """A connection is over."""


class MemoryTransport(asyncio.Transport):
    """One end of a connection inside the loop; behaves as asyncio's own selector transport does.

    ``inflow`` brings bytes to its protocol, ``outflow`` takes what the protocol writes.
    """

    def __init__(
        self,
        loop: World,
        name: str,
        protocol: asyncio.BaseProtocol,
        here: tuple[str, int],
        there: tuple[str, int],
        context: Context,
        server: Server | None = None,
    ) -> None:
        super().__init__({"peername": there, "sockname": here})
        self._socket: MemorySocket | socket.socket = MemorySocket(here, there)
        self._loop = loop
        self._server = server
        self._protocol = protocol
        self._context = context
        self._closing = False
        self._eof = False
        self._lost = False
        self._reading = True
        self._writing_paused = False
        self.unread = False
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self.name = name
        self.inflow = Flow(loop, ("bytes", name), self._arrived, context)
        self.outflow: Flow
        self.on_lost: Callable[[], None] | None = None
        loop.transports.append(self)

    def forsaken(self) -> None:
        """The world it belonged to is over: a pool that keeps it must find a dead connection."""
        if self._lost:
            return
        self._closing = self._lost = True
        if isinstance(self._socket, MemorySocket):
            self._socket.open = False
        with suppress(Exception):
            self._protocol.connection_lost(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def __repr__(self) -> str:
        return f"<MemoryTransport {self.name}{' closing' if self._closing else ''}>"

    def take_over(self, sock: socket.socket, inflow: Flow, outflow: Flow) -> None:
        """Go on with the connection of a socket."""
        self._socket = sock
        self.inflow, self.outflow = inflow, outflow
        inflow.sink, outflow.drained = self._arrived, self.drained

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._socket if name == "socket" else super().get_extra_info(name, default)

    def received(self, data: bytes) -> None:
        """Bytes that a socket had received before, or `END`."""
        self._arrived(data)

    # -- reading ------------------------------

    def _arrived(self, data: bytes) -> None:
        if self._closing or self._lost:
            return
        if data is RESET:
            self._reset_by_peer()
            return
        protocol: Any = self._protocol
        try:
            if data:
                if isinstance(protocol, asyncio.BufferedProtocol):
                    self._fill(protocol, data)
                else:
                    protocol.data_received(data)
            elif protocol.eof_received():
                self.inflow.pause()
            else:
                self.close()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal(error, "Fatal error: protocol.data_received() call failed.")

    def _fill(self, protocol: asyncio.BufferedProtocol, data: bytes) -> None:
        view = memoryview(data)
        while len(view):
            buffer = memoryview(protocol.get_buffer(len(view)))
            count = min(len(buffer), len(view))
            buffer[:count] = view[:count]
            protocol.buffer_updated(count)
            view = view[count:]

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        if self.is_reading():
            self._reading = False
            self.inflow.pause()

    def resume_reading(self) -> None:
        if not self._closing and not self._reading:
            self._reading = True
            self.inflow.resume()

    # -- writing ------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if data and not self._lost:
            self.outflow.push(bytes(data))
            self._maybe_pause_protocol()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._closing and not self._eof:
            self._eof = True
            self.outflow.push(END)

    def get_write_buffer_size(self) -> int:
        return self.outflow.buffered

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._maybe_pause_protocol()

    def _maybe_pause_protocol(self) -> None:
        outflow = self.outflow
        if not self._writing_paused and outflow.buffered > (self._high if outflow.room else 0):
            self._writing_paused = True
            self._call(self._protocol.pause_writing, "protocol.pause_writing() failed")

    def drained(self) -> None:
        """The far end took something of what was written."""
        outflow = self.outflow
        if self._writing_paused and outflow.buffered <= (self._low if outflow.room else 0):
            self._writing_paused = False
            self._call(self._protocol.resume_writing, "protocol.resume_writing() failed")
        if self._closing and not self._lost and not outflow.buffered:
            self._lose(None)

    def _call(self, method: Callable[[], None], message: str) -> None:
        try:
            method()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._loop.call_exception_handler(
                {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
            )

    # -- ending ------------------------------

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.inflow.pause()
            if not self.outflow.buffered:
                self._lose(None)

    def abort(self) -> None:
        self._force_close(None)

    def peer_closed(self, how: bytes) -> None:
        """The far end is closed, with `END` or `RESET`; who waits to be rid of what it wrote is told too."""
        if not self._closing:
            self.inflow.push(how)
        elif not self._lost:
            self.vanish()

    def vanish(self) -> None:
        """The far end is gone without a word; that the kernel tells so is an external event."""
        self._loop.external(("lost", self.name), self._reset_by_peer, context=self._context)

    def _reset_by_peer(self) -> None:
        self._force_close(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def _fatal(self, error: BaseException, message: str) -> None:
        if not isinstance(error, OSError):
            self._loop.call_exception_handler(
                {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
            )
        self._force_close(error)

    def _force_close(self, error: BaseException | None) -> None:
        if not self._lost:
            self._closing = True
            self.outflow.cut()
            self._lose(error)

    def _lose(self, error: BaseException | None) -> None:
        self._lost = True
        self.unread = self.inflow.backlog > 0
        self.inflow.drop()
        self._loop.call_soon(self._connection_lost, error, context=self._context)

    def _connection_lost(self, error: BaseException | None) -> None:
        if isinstance(self._socket, MemorySocket):
            self._socket.open = False
        try:
            self._protocol.connection_lost(error)  # type: ignore[arg-type]  # typeshed: Exception only
        finally:
            if self.on_lost is not None:
                self.on_lost()
            if self._server is not None:
                self._server.detach(self)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol
