"""`socket.socket` itself, whose network is the world's while one runs.

A socket made inside a world keeps its real descriptor, which is never bound and never connected: families, options,
``fcntl`` and file numbers are the kernel's.  What would reach the network (bind, listen, accept, connect, send,
receive, shut down) goes to `InSocket` instead.  Methods are replaced on the class, once for the life of the process,
so that ``from socket import socket``, subclasses and `isinstance` keep their meaning; outside a world, and for sockets
made outside, the real ones answer.  Names are looked up in the world, too, and pipes made there are known to it.
"""

from __future__ import annotations

import _socket
import os
import socket
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from .insocket import InSocket, failed

__all__ = ("gate_sockets",)

Here = Callable[[], Any]
"""The world that runs on the calling thread, if any."""

_fileno = _socket.socket.fileno

CALLS: dict[str, Callable[..., Any]] = {
    "bind": lambda known, address: known.bind(address),
    "listen": lambda known, backlog=0: known.listen(),
    "_accept": lambda known: known.take(),
    "connect": lambda known, address: _connect(known, address),
    "connect_ex": lambda known, address: known.connect(address),
    "recv": lambda known, size, flags=0: known.recv(size, flags),
    "recv_into": lambda known, buffer, nbytes=0, flags=0: known.recv_into(buffer, nbytes, flags),
    "send": lambda known, data, flags=0: known.send(data),
    "sendall": lambda known, data, flags=0: known.send_all(data),
    "sendmsg": lambda known, buffers, *rest: known.send(b"".join(buffers)),
    "shutdown": lambda known, how: known.shutdown(how),
    "getsockname": lambda known: known.address,
    "getpeername": lambda known: known.peer(),
}
"""The methods of a socket that reach the network, and what is done instead."""


def _connect(known: InSocket, address: Any) -> None:
    code = known.connect(address)
    if code:
        raise failed(code)


KERNELS: dict[str, str] = {"bind": "bind_kernel", "listen": "listen_kernel", "_accept": "accept_kernel"}
"""The same, of the methods that a stock loop looks after: its sockets are the kernel's (`kernel_sockets`)."""


def gate_sockets(here: Here) -> None:
    """Put the gated functions in place, once for the life of the process."""
    _gate_kernels(_having(here, "accepting"))
    here = _having(here, "in_sockets")
    _gate_calls(here)
    _gate_life(here)
    _gate_names(here)
    _gate_pipes(here)


def _having(here: Here, what: str) -> Here:
    """The world that runs, where it has this: the sockets of some are the world's, those of others the kernel's."""

    def world() -> Any:
        found = here()
        return found if hasattr(found, what) else None

    return world


def _gate_kernels(here: Here) -> None:
    cls: Any = socket.socket

    def gated(outside: Callable[..., Any], inside: str) -> Callable[..., Any]:
        @wraps(outside)
        def method(self: Any, *args: Any) -> Any:
            world = here()
            if world is None:
                return outside(self, *args)
            return getattr(world, inside)(partial(outside, self), self, *args)

        return method

    for name, inside in KERNELS.items():
        setattr(cls, name, gated(getattr(cls, name), inside))
    made_outside = cls.__init__

    def made(self: Any, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        made_outside(self, family, type, proto, fileno)
        world = here()
        if world is not None and fileno is not None:
            world.made_kernel(self)

    cls.__init__ = made


def _gate_calls(here: Here) -> None:
    cls: Any = socket.socket

    def known(sock: Any) -> InSocket | None:
        world = here()
        return world.in_sockets.get(_fileno(sock)) if world is not None else None

    def gated(outside: Callable[..., Any], inside: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(outside)
        def method(self: Any, *args: Any, **options: Any) -> Any:
            state = known(self)
            return outside(self, *args, **options) if state is None else inside(state, *args, **options)

        return method

    for name, inside in CALLS.items():
        setattr(cls, name, gated(getattr(cls, name), inside))
    option_outside = cls.getsockopt

    def getsockopt(self: Any, level: int, option: int, *size: int) -> Any:
        state = known(self)
        if state is not None and level == socket.SOL_SOCKET:
            if option == socket.SO_ERROR:
                return state.take_error()
            if option == getattr(socket, "SO_ACCEPTCONN", None):
                return int(state.queue is not None)
        return option_outside(self, level, option, *size)

    cls.getsockopt = getsockopt


def _gate_life(here: Here) -> None:
    cls: Any = socket.socket
    made_outside, closed_outside = cls.__init__, cls._real_close

    def made(self: Any, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        made_outside(self, family, type, proto, fileno)
        world = here()
        if world is not None:
            ours = self.type == socket.SOCK_STREAM and self.family in (socket.AF_INET, socket.AF_INET6)
            if (ours and fileno is None) or fileno in world.in_sockets:
                world.made_socket(self)
            elif self.family == getattr(socket, "AF_UNIX", None):
                world.local[_fileno(self)] = None

    def closed(self: Any, *args: Any) -> None:
        world = here()
        if world is not None:
            world.closed_socket(_fileno(self))
        closed_outside(self, *args)

    cls.__init__, cls._real_close = made, closed


def _gate_names(here: Here) -> None:
    addresses_outside, address_outside = _socket.getaddrinfo, _socket.gethostbyname

    def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        world = here()
        if world is None:
            return addresses_outside(host, port, family, type, proto, flags)
        return [
            (int(kind), int(sort), number, name, there)
            for kind, sort, number, name, there in world.look_up(host, port, passive=bool(flags & socket.AI_PASSIVE))
        ]

    def gethostbyname(host: str, /) -> str:
        world = here()
        return address_outside(host) if world is None else str(world.address_of(host))

    _socket.getaddrinfo = getaddrinfo  # what socket.getaddrinfo calls
    _socket.gethostbyname = socket.gethostbyname = gethostbyname


def _gate_pipes(here: Here) -> None:
    pipe_outside = os.pipe

    def pipe() -> tuple[int, int]:
        ends = pipe_outside()
        world = here()
        if world is not None:
            world.made_pipe(ends)
        return ends

    os.pipe = pipe
