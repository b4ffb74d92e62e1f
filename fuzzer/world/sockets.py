"""Simulated clients on real loopback sockets, one end each: what they send, and when they read, is the gate's to say.

A client that stalls, or whose link is slow, has its path filled first: the kernels' buffers with bytes the client
throws away later, and of the server's own buffer, by its limits, no room is left.  That is how a connection is that has
had traffic before; otherwise a short program could never make a server wait.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from contextvars import copy_context
from typing import Any

from .external import External
from .interface import World
from .network import Outside
from .transport import END, Flow

__all__ = ("SocketEnd",)

SMALL = 4096
"""Bytes asked for as socket buffers; the kernel's own minimum is about as much."""

FILLING = b"\0" * SMALL

CHUNK = 65_536

MOVE = 0.05
"""Real seconds in which the kernels have moved what they can from the sender's buffer to the receiver's; Linux waits
up to 40 ms before it acknowledges."""


class SocketEnd:
    """A client's end of a connection; has of a transport what clients use."""

    def __init__(self, loop: World, name: str, outside: Outside, address: tuple[str, int]) -> None:
        self._loop = loop
        self._name = name
        self._outside = outside
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.connect(address)
        self._socket.setblocking(False)
        self.address = self._socket.getsockname()
        self.inflow = Flow(loop, ("bytes", name), self._send, copy_context())
        self.outflow = _Reading(self)
        self._unsent = bytearray()
        self._theirs: Any = None
        self._their_socket: Any = None
        self._filling = 0
        self._taking = False
        self._frame: External | None = None
        self._ended = False
        self._written_out = False
        self._closed = False

    def served_by(self, transport: Any, sock: socket.socket) -> None:
        """The server's transport for this connection, and its socket."""
        self._theirs, self._their_socket = transport, sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        if self.outflow.congested:
            self._fill()

    # -- what the client does ------------------------------

    def is_closing(self) -> bool:
        return self._closed

    def _send(self, piece: bytes) -> None:
        if self._closed:
            return
        if piece == END:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
        else:
            self._unsent += piece
            self._push()

    def _push(self) -> bool:
        """Send what the kernel takes; whether it took anything."""
        if not self._unsent or self._closed:
            return False
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, OSError):
            return False
        del self._unsent[:sent]
        return True

    def vanish(self) -> None:
        """Go without a word; that the server's kernel hears of it is an external event."""
        self._loop.external(("lost", self._name), self._reset, context=copy_context())

    def _reset(self) -> None:
        if not self._closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._lost()

    def close(self) -> None:
        """Leave, at the end of it all."""
        if not self._closed:
            self._closed = True
            self._socket.close()

    # -- what the client reads ------------------------------

    def pump(self) -> bool:
        """Read what has come, as far as the client reads now; whether the server's kernel has news of it."""
        moved = self._push()
        if self._closed:
            return moved
        if self._ended:  # the server writes no more; it has let go where its transport is closing
            if self._theirs is None or self._theirs.is_closing():
                self._lost()
                return True
            return moved
        if self.outflow.congested and not self._taking:
            self._offer()
            return moved
        waiting = self._theirs is not None and self._theirs.get_write_buffer_size() > 0
        return (self._read() and (waiting or self._closed)) or moved

    def _offer(self) -> None:
        """A congested client: where the server waits with something, taking it is an external event."""
        if self._theirs is not None:
            self._theirs.set_write_buffer_limits(high=0)
            self._top_up(1)
            waits = self._theirs.get_write_buffer_size() > 0 or self._theirs.is_closing() or self._written_out
            if waits and self._frame is None and not self.outflow.paused:
                self._frame = self._loop.external(("frame", self._name), self._take, context=copy_context())

    def _take(self) -> None:
        self._frame = None
        self._taking = True

    def _read(self) -> bool:
        moved = False
        while not self._closed:
            try:
                data = self._socket.recv(CHUNK)
            except BlockingIOError:
                break
            except OSError:
                self._lost()
                return True
            moved = True
            if not data:
                if not self._ended:
                    self._ended = True
                    self._outside.written(END)
                    self._outside.received(END)
                break
            skipped = min(len(data), self._filling)
            self._filling -= skipped
            if data[skipped:]:
                if not self._outside.written(data[skipped:]):
                    self._loop.last_visible = self._loop.time()
                self._outside.received(data[skipped:])
        if not moved and self._taking and self._theirs.get_write_buffer_size() == 0:
            self._taking = False
            if self.outflow.congested:
                self._fill()
        return moved

    def _fill(self) -> None:
        """Leave the server no room to write into."""
        if self._theirs is None or self._theirs.is_closing() or self._theirs.get_write_buffer_size():
            return
        took = True
        while took:  # the kernels move bytes from one's buffer to the other's, and have room once more
            took = False
            for size in (SMALL, 1):  # where no more whole pieces fit, a few bytes may
                took = self._top_up(size) or took
            if took:
                select.select([], [], [], MOVE)
        self._theirs.set_write_buffer_limits(high=0)

    def _top_up(self, size: int) -> bool:
        """Fill the kernels' buffers with pieces of a size, where the server has nothing waiting; whether any fitted."""
        took = False
        if not self._theirs.get_write_buffer_size() and not self._theirs.is_closing():
            try:
                while True:
                    self._filling += self._their_socket.send(FILLING[:size])
                    took = True
            except BlockingIOError:
                pass
            except OSError:
                self._written_out = True  # the server has ended its side of the stream
        return took

    def congest(self) -> None:
        """The client has stopped reading."""
        self._read()
        self._taking = False
        self._fill()

    def withdraw(self) -> None:
        """What was on offer is not taken now."""
        if self._frame is not None:
            self._loop.withdraw(self._frame)
            self._frame = None

    def _lost(self) -> None:
        self.withdraw()
        self._closed = True
        self._socket.close()
        self._outside.lost()


class _Reading:
    """How a client reads: all the time, frame by frame, or not at all; has of a flow what clients use."""

    def __init__(self, end: SocketEnd) -> None:
        self._end = end
        self._at_once = True
        self.paused = False

    @property
    def at_once(self) -> bool:
        return self._at_once

    @at_once.setter
    def at_once(self, value: bool) -> None:
        self._at_once = value
        if not value:
            self._end.congest()

    @property
    def congested(self) -> bool:
        return self.paused or not self._at_once

    def pause(self) -> None:
        self.paused = True
        self._end.withdraw()
        self._end.congest()

    def resume(self) -> None:
        self.paused = False

    def drop(self) -> None:
        self.pause()
