"""A client's own end of a real connection: its socket, what its kernel has not taken yet, and its backlog.

A *backlog* is what a client has not read yet.  A server's send waits only where the backlog has filled the kernels'
buffers, and the server's own up to its limit.  `Endpoint.fill` makes one, of messages as the server sends them, and
`Endpoint.backlog` tells its size in bytes; nothing of the server's is changed for it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from websockets.frames import Frame, Opcode

if TYPE_CHECKING:
    import asyncio

    from ..world.stock import StockLoop

__all__ = ("END", "Endpoint")

CHUNK = 65_536
"""Bytes read at once."""

RECEIVE_BUFFER = 4096
"""Bytes that a client with a backlog asks its kernel to hold: the smaller, the smaller the backlog that is needed."""

ETHERNET = 1460
"""Bytes to a segment on such a client's link, as on any Ethernet (TCP_MAXSEG); a loopback's own are 64 KiB."""

SPARE = 32 * 1024
"""Bytes of backlog beyond the server's limit: a kernel may still take some while its last acknowledgements are due."""

MOVE = 0.002
"""Real seconds in which the kernels have moved what they can from the sender's buffer to the receiver's."""

MARK = b"crosswire backlog "

FILLING = Frame(Opcode.BINARY, MARK + bytes(16_384 - len(MARK))).serialize(mask=False)
"""One message of a backlog, as a server sends it."""

END = b""
"""Stands among what is sent and received for the end of the stream."""


class Endpoint:
    """The end of one connection.  ``address`` is its own; ``backlog`` the most that was unread of what was made."""

    def __init__(self, loop: StockLoop, name: str) -> None:
        self.address = "", 0
        self.backlog = 0
        self.filled = 0
        """bytes of the backlog that are unread now"""
        self.ended = False
        """the server writes no more, and all was read"""
        self.closed = False
        self._loop = loop
        self._name = name
        self._socket: socket.socket | None = None
        self._unsent = bytearray()
        self._transport: asyncio.Transport | None = None
        self._server_socket: socket.socket | None = None

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def connect(self, address: tuple[str, int]) -> None:
        """Connect; on a loopback that takes no time."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = end = socket.socket(family, socket.SOCK_STREAM)
        if self._name in self._loop.backlogs:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            with contextlib.suppress(AttributeError, OSError):  # not on every system
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, ETHERNET)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.connect(address)
        end.setblocking(False)
        self.address = end.getsockname()

    def served_by(self, transport: asyncio.Transport, sock: socket.socket) -> None:
        """Learn which transport is the server's end, and its socket."""
        self._transport, self._server_socket = transport, sock

    # -- sending ------------------------------

    def write(self, piece: bytes) -> None:
        """Give bytes to the kernel, or `END`."""
        if self._socket is None or self.closed:
            return
        self._loop.stirred = True
        if piece == END:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
        else:
            self._unsent += piece
            self.flush()

    def flush(self) -> bool:
        """Give the kernel what it takes of what is left; whether it took anything."""
        if not self._unsent or self._socket is None or self.closed:
            return False
        try:
            sent = self._socket.send(self._unsent)
        except OSError:
            return False
        del self._unsent[:sent]
        return True

    def reset(self) -> None:
        """Go without a word: RST, whatever was left."""
        if self._socket is not None and not self.closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def close(self) -> None:
        """Close the socket; where something was not read, the kernel resets the connection."""
        if self._socket is not None and not self.closed:
            self._loop.stirred = True
            self._socket.close()
        self.closed = True

    # -- reading ------------------------------

    @property
    def server_waits(self) -> bool:
        """Whether the server has written what its kernel has not taken yet."""
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def has_news(self) -> bool:
        """Whether there is anything to read, the end included."""
        assert self._socket is not None
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def read(self, sink: Callable[[bytes], object]) -> bool:
        """Read all there is, `END` last; whether there was anything."""
        assert self._socket is not None
        moved = False
        while not self.ended and not self.closed:
            try:
                data = self._socket.recv(CHUNK)
            except BlockingIOError:
                break
            except OSError:
                data = END
            moved = True
            self.ended = not data
            sink(data)
        return moved

    # -- the backlog ------------------------------

    def skip(self, message: bytes) -> bool:
        """Whether a message that was read is of the backlog, which is then so much less."""
        if message[: len(MARK)] != MARK:
            return False
        self.filled -= len(FILLING)
        return True

    def fill(self) -> None:
        """Leave the server no room to write into, where this client has a backlog."""
        transport, sock = self._transport, self._server_socket
        if self._name not in self._loop.backlogs or transport is None or sock is None or transport.is_closing():
            return
        _, high = transport.get_write_buffer_limits()
        if transport.get_write_buffer_size() > high:
            return
        rest = b"" if transport.get_write_buffer_size() else self._fill_kernels(sock)
        with contextlib.suppress(RuntimeError):  # the server has ended its side of the stream
            transport.write(rest)
            while transport.get_write_buffer_size() <= high + SPARE:
                transport.write(FILLING)
                self.filled += len(FILLING)
        self.backlog = max(self.backlog, self.filled)

    def _fill_kernels(self, sock: socket.socket) -> bytes:
        """Fill the kernels' buffers; gives what did not fit of the last message."""
        rest = b""
        with contextlib.suppress(OSError):
            while select.select([], [sock], [], MOVE)[1]:  # they move bytes from one's to the other's, and have room
                while True:
                    if not rest:
                        rest = FILLING
                        self.filled += len(FILLING)
                    try:
                        rest = rest[sock.send(rest) :]
                    except BlockingIOError:
                        break
        return rest
