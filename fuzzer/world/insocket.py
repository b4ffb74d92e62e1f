"""What the kernel knows of a socket that belongs to a world: its addresses, what it has received, who waits in line.

The system calls of a socket act on the world's connections here, and fail as Linux has them fail for a socket that does
not block.  Bytes that have arrived lie in the socket's buffer; the loop tells who waits for them, see `selecting`.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from .flow import END, RESET, Flow
from .interface import World
from .server import connection

__all__ = ("Address", "InSocket")

Address = tuple[str, int]

EVERYWHERE = ("", "0.0.0.0", "::", "localhost", "::1")
"""Names under which a socket is bound that are this machine."""


def failed(code: int) -> OSError:
    """The exception that stands for an error number of a system call."""
    return OSError(code, os.strerror(code))  # of the subclass that belongs to the number


def _nobodys() -> None: ...


class InSocket:
    """One socket; has of a transport what the network asks of a connection's end."""

    def __init__(self, loop: World, fd: int) -> None:
        self._loop: Any = loop
        self.fd = fd
        self.name = f"socket-{fd}"
        self.address: Address = ("0.0.0.0", 0)
        self.there: Address | None = None
        self.queue: deque[InSocket] | None = None
        """Connections that wait to be accepted, where it listens."""
        self.held: socket.socket | None = None
        """While it waits in a queue: the object that keeps its descriptor open."""
        self.made: Callable[[], socket.socket | None] = _nobodys
        """Gives the object by which the target knows it, while there is one."""
        self.received = bytearray()
        self.inflow: Flow
        self.outflow: Flow | None = None
        self.on_lost: Callable[[], None] | None = None
        self.unread = False
        """At its end: whether bytes lay there that nobody had read."""
        self._bound = False
        self._ended = False
        self._shut = False
        self._connecting = False
        self.closed = False
        self.error = 0
        self._broken = False
        """Its peer has reset the connection: what is sent is an error at once, also when that was told (EPIPE)."""

    # -- what the network asks of an end ------------------------------

    def joined(self, name: str, here: Address, there: Address, context: Context) -> None:
        """It is one end of a connection now."""
        self.name, self.address, self.there = name, here, there
        self._bound, self._connecting = True, False
        self.inflow = Flow(self._loop, ("bytes", name), self._arrived, context)

    def _arrived(self, data: bytes) -> None:
        if data is RESET:
            self._reset()
        elif data:
            self.received += data
        else:
            self._ended = True
        self.drained()

    def _reset(self) -> None:
        self.error, self._ended, self._broken = errno.ECONNRESET, True, True
        if self.outflow is not None:
            self.outflow.cut()
        self.drained()

    def drained(self) -> None:
        """Something has come in, or there is room again."""
        self._loop.fd_changed(self.fd)

    def refused(self) -> None:
        """Nobody listens where it wanted to connect."""
        self._connecting, self.error = False, errno.ECONNREFUSED
        self.drained()

    def is_closing(self) -> bool:
        return self.closed

    def peer_closed(self, how: bytes) -> None:
        if not self.closed:
            self.inflow.push(how)

    def vanish(self) -> None:
        """The far end is gone without a word; that the kernel tells so is an external event."""
        self._loop.external(("lost", self.name), self._reset)

    def get_write_buffer_size(self) -> int:
        return 0

    # -- what a selector sees ------------------------------

    @property
    def readable(self) -> bool:
        return bool(self.queue or self.received or self._ended or self.error)

    @property
    def writable(self) -> bool:
        if self.error or self._broken:
            return True
        flow = self.outflow
        return flow is not None and not self._connecting and flow.backlog < max(1, flow.room)

    @property
    def ended(self) -> bool:
        return self._ended

    # -- system calls ------------------------------

    def bind(self, address: Any) -> None:
        host, port = address[0], address[1]
        port = port or self._loop.free_port()
        if port in self._loop.listeners:
            raise failed(errno.EADDRINUSE)
        self.address, self._bound = ("127.0.0.1" if host in EVERYWHERE else host, port), True

    def listen(self) -> None:
        if not self._bound:
            self.bind(("", 0))
        if self.queue is None:
            self.queue = deque()
        self._loop.listening(self.address[1], self)

    def accept(self, name: str, there: Address) -> InSocket:
        """A connection comes in, as the network has it: who listens finds it in the queue."""
        assert self.queue is not None
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.setblocking(False)
        end: InSocket = self._loop.in_sockets[held.fileno()]
        end.joined(name, self.address, there, copy_context())
        end.held = held
        self.queue.append(end)
        self.drained()
        return end

    def take(self) -> tuple[int, Address]:
        """Accept: the descriptor of a connection, for a socket object of the caller's, and where it comes from."""
        if self.queue is None:
            raise failed(errno.EINVAL)
        if not self.queue:
            raise failed(errno.EAGAIN)
        end = self.queue.popleft()
        assert end.there is not None and end.held is not None
        end.held.detach()
        end.held = None
        connection.set(end.name)  # for the code that will serve it, which inherits the context
        return end.fd, end.there

    def connect(self, address: Any) -> int:
        """Begin to connect, or say how it went: an error number, 0 where there is none."""
        if self.outflow is not None:
            return errno.EISCONN
        if self.error:
            error, self.error = self.error, 0
            return error
        if self._connecting:
            return errno.EALREADY
        self._connecting = True
        self._loop.dial_socket(self, (address[0], address[1]))
        return errno.EINPROGRESS

    def take_error(self) -> int:
        """The pending error (SO_ERROR), which is told once."""
        error, self.error = self.error, 0
        return error

    def _connected(self) -> Flow:
        if self.error:
            raise failed(self.take_error())
        if self.outflow is None:
            raise failed(errno.ENOTCONN)
        return self.outflow

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self.received and not self.error:
            data = bytes(self.received[:size])
            if not flags & socket.MSG_PEEK:
                del self.received[: len(data)]
            return data
        if self._ended and not self.error:
            return b""
        self._connected()
        raise failed(errno.EAGAIN)

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(size or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def send(self, data: Any) -> int:
        flow = self._connected()
        if self._shut or self._broken:
            raise failed(errno.EPIPE)
        if not self.writable:
            raise failed(errno.EAGAIN)
        piece = bytes(data)
        if flow.room and not flow.at_once:
            piece = piece[: flow.room - flow.backlog]
        if piece:
            flow.push(piece)
        return len(piece)

    def send_all(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        while len(view):
            view = view[self.send(view) :]

    def shutdown(self, how: int) -> None:
        flow = self._connected()
        if how != socket.SHUT_RD and not self._shut:
            self._shut = True
            flow.push(END)

    def peer(self) -> Address:
        if self.there is None:
            raise failed(errno.ENOTCONN)
        return self.there

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self.queue is not None:
            self._loop.deaf(self.address[1], self)
            for end in self.queue:
                if end.held is not None:
                    end.held.close()
        if self.outflow is not None:
            self.unread = bool(self.received) or self.inflow.backlog > 0
            self.inflow.drop()
            if self.on_lost is not None:
                self._loop.call_soon(self.on_lost)

    def handed_over(self) -> bytes:
        """A transport takes the connection over; gives what it had received.  Closing the socket ends nothing now."""
        self.closed = True
        waiting = bytes(self.received)
        self.received.clear()
        return waiting
