"""Listening sockets that a server makes itself, on a stock loop: the kernel's, at ports of the kernel's choice.

Tornado binds its sockets, listens at them and accepts connections by itself.  Where it asks for a port it is given
another, so that no execution meets another one's server, or anybody else's; clients who ask for the first are sent to
the second.  Connections accepted there are labelled with their client's name, as those of asyncio's own servers are.
"""

from __future__ import annotations

import contextlib
import socket
import weakref
from collections.abc import Callable
from typing import Any

from .insocket import Address
from .selecting import forget_loop

__all__ = ("KernelSockets", "OwnListener")

LOOPBACK: dict[int, str] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class OwnListener:
    """What the network knows of such a socket: the address that was asked for, and the socket itself."""

    def __init__(self, address: Address, sock: socket.socket) -> None:
        self.address = address
        self._sock = weakref.ref(sock)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The socket, while it is open."""
        sock = self._sock()
        return (sock,) if sock is not None and sock.fileno() >= 0 else ()


class KernelSockets:
    """What `gate_sockets` asks of a loop whose sockets are the kernel's; mixed into it."""

    asked: dict[int, Address]
    """descriptor -> the address that a socket was to be bound to"""
    accepting: dict[int, OwnListener]
    """descriptor -> what listens there and is accepted from by the target, or a library of its own"""
    taken: list[weakref.ref[socket.socket]]
    """What was accepted so, and the listening sockets."""

    def kernel_sockets_clear(self: Any) -> None:
        """Close what the execution before has left open, and have libraries know nothing of the loop."""
        for known in getattr(self, "taken", ()):
            sock = known()
            if sock is not None and sock.fileno() >= 0:
                self.forget(sock)
                sock.close()
        self.asked, self.accepting, self.taken = {}, {}, []
        self.starting = False
        forget_loop(self)

    def forget(self: Any, sock: socket.socket) -> None:
        """Watch a socket no more."""
        with contextlib.suppress(ValueError, RuntimeError, KeyError, OSError):
            self.remove_reader(sock)
            self.remove_writer(sock)

    def bind_kernel(self: Any, bind: Callable[[Any], None], sock: socket.socket, address: Any) -> None:
        """Bind a socket, elsewhere than it asks."""
        here = LOOPBACK.get(sock.family)
        if here is None or sock.type != socket.SOCK_STREAM or self.starting:
            bind(address)
            return
        try:
            bind((here, 0))
        except OSError:  # there is no loopback of that family
            bind((address[0], 0, *address[2:]))
        port = int(address[1]) or sock.getsockname()[1]
        self.asked[sock.fileno()] = str(address[0]), port

    def listen_kernel(self: Any, listen: Callable[..., None], sock: socket.socket, *backlog: int) -> None:
        """Listen, so that clients find it."""
        listen(*backlog)
        address = self.asked.get(sock.fileno())
        if address is None or self.starting:
            return
        listener = OwnListener(address, sock)
        self.accepting[sock.fileno()] = listener
        self.taken.append(weakref.ref(sock))
        if address[1] not in self._within:
            self._within[address[1]] = listener
            self.listening(address[1], listener)

    def accept_kernel(self: Any, accept: Callable[[], tuple[int, Any]], sock: socket.socket) -> tuple[int, Any]:
        """Accept a connection, and know whose it is."""
        number, there = accept()
        if sock.fileno() in self.accepting:
            self.client_at(there)
        return number, there

    def made_kernel(self: Any, sock: socket.socket) -> None:
        """A socket object was made for a connection that was accepted."""
        if self.accepting:
            self.taken.append(weakref.ref(sock))
