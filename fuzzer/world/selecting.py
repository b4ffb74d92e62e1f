"""What a loop does with sockets and descriptors: readers, writers, ``sock_*``, and transports over connected sockets.

As a selector's loop has it: who waits for a descriptor is told at every boundary between two iterations for as long as
it is ready, behind the callbacks that are, and before the timers that are due.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from .flow import END
from .insocket import InSocket, failed
from .sockets import Sockets
from .transport import MemoryTransport

__all__ = ("Selecting", "forget_loop", "refuse")

LOOP_REGISTRIES = (("tornado.ioloop", "IOLoop", "_ioloop_for_asyncio"),)
"""What libraries keep about a loop in dictionaries of their own, by module, class and attribute: one loop serves many
executions here, and each begins with a loop that no library has seen."""


def forget_loop(loop: Any) -> None:
    """Have libraries know nothing of a loop."""
    for module, owner, registry in LOOP_REGISTRIES:
        if module in sys.modules:
            getattr(getattr(sys.modules[module], owner, None), registry, {}).pop(loop, None)


def refuse(name: str) -> Any:
    """A method of a loop that leads out of the world."""

    def refused(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise self.outside(f"loop.{name}()")

    refused.__name__ = name
    return refused


class Selecting(Sockets):
    """The methods of a loop that have to do with sockets; mixed into the world's loop."""

    level: dict[int, None]
    """Descriptors to look at at the next boundary."""
    foreign: dict[int, None]
    """Those that are the kernel's own, and somebody reads."""

    def sockets_clear(self: Any) -> None:
        super().sockets_clear()
        self._readers: dict[int, Any] = {}
        self._writers: dict[int, Any] = {}
        self.level = {}
        self.foreign = {}
        forget_loop(self)

    def closed_socket(self, fd: int) -> None:
        if fd in self.in_sockets:
            self._readers.pop(fd, None)
            self._writers.pop(fd, None)
        super().closed_socket(fd)

    # -- readers and writers ------------------------------

    def add_reader(self: Any, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        self._watch(self._readers, _number(fd), callback, args)

    def add_writer(self: Any, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        self._watch(self._writers, _number(fd), callback, args)

    def _watch(self: Any, table: dict[int, Any], fd: int, callback: Callable[..., object], args: Any) -> Any:
        if fd < 0:
            raise ValueError(f"Invalid file descriptor: {fd}")
        if fd not in self.in_sockets:
            if fd not in self.local:
                raise self.outside(f"loop.add_{'reader' if table is self._readers else 'writer'}({fd})")
            self.foreign[fd] = None
        before = table.get(fd)
        if before is not None:
            before.cancel()
        table[fd] = handle = self.handle(callback, args)
        self.level[fd] = None
        return handle

    def _forget(self: Any, table: dict[int, Any], fd: Any) -> bool:
        handle = table.pop(_number(fd), None)
        if handle is not None:
            handle.cancel()
        return handle is not None

    def remove_reader(self: Any, fd: Any) -> bool:
        return bool(self._forget(self._readers, fd))

    def remove_writer(self: Any, fd: Any) -> bool:
        return bool(self._forget(self._writers, fd))

    def fd_changed(self: Any, fd: int) -> None:
        """Look at it at the next boundary."""
        self.level[fd] = None

    def show_level(self: Any) -> None:
        """What a selector tells at this boundary."""
        for fd in list(self.level):
            state, told = self.in_sockets.get(fd), False
            if state is not None:
                for table, there in ((self._readers, state.readable), (self._writers, state.writable)):
                    handle = table.get(fd)
                    if there and handle is not None:
                        told = True
                        self._ready.append(handle)
            if not told:
                del self.level[fd]
        watched = [fd for fd in self.foreign if fd in self._readers]
        if watched:  # pipes of the target's own (a reactor's waker), readable once the target has written into them
            poll = select.poll()
            for fd in watched:
                poll.register(fd, select.POLLIN)
            self._ready.extend(self._readers[fd] for fd, _ in poll.poll(0))

    # -- sockets as coroutines ------------------------------

    async def _when_ready(self: Any, table: dict[int, Any], sock: Any, call: Callable[[], Any]) -> Any:
        """Make a system call at once or, where it would block, as soon as the socket is ready."""
        if sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        with contextlib.suppress(BlockingIOError, InterruptedError):
            return call()
        future = self.create_future()

        def ready() -> None:
            if future.done():
                return
            try:
                result = call()
            except (BlockingIOError, InterruptedError):
                return
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        fd = sock.fileno()
        handle = self._watch(table, fd, ready, ())
        try:
            return await future
        finally:
            if table.get(fd) is handle:
                self._forget(table, fd)

    async def sock_recv(self: Any, sock: Any, n: int) -> bytes:
        return bytes(await self._when_ready(self._readers, sock, lambda: sock.recv(n)))

    async def sock_recv_into(self: Any, sock: Any, buf: Any) -> int:
        return int(await self._when_ready(self._readers, sock, lambda: sock.recv_into(buf)))

    async def sock_sendall(self: Any, sock: Any, data: Any) -> None:
        view = memoryview(data).cast("B")

        def send() -> None:
            nonlocal view
            while len(view):
                view = view[sock.send(view) :]

        await self._when_ready(self._writers, sock, send)

    async def sock_accept(self: Any, sock: Any) -> tuple[Any, Any]:
        connection, address = await self._when_ready(self._readers, sock, sock.accept)
        connection.setblocking(False)
        return connection, address

    async def sock_connect(self: Any, sock: Any, address: Any) -> None:
        with contextlib.suppress(BlockingIOError, InterruptedError):
            sock.connect(address)
            return

        def connected() -> None:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise failed(code)
            if not self.in_sockets[sock.fileno()].writable:
                raise BlockingIOError

        await self._when_ready(self._writers, sock, connected)

    async def getnameinfo(self: Any, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        return str(sockaddr[0]), str(sockaddr[1])

    # -- from a socket to a transport ------------------------------

    def in_socket(self: Any, sock: Any) -> InSocket:
        """What this world knows of a socket; raises `OutsideWorldError` for one that was made outside."""
        state: InSocket | None = self.in_sockets.get(sock.fileno())
        if state is None:
            raise self.outside(f"a socket made before the execution began ({sock!r})")
        return state

    def transport_over(self: Any, sock: Any, protocol: Any) -> MemoryTransport:
        """A transport over a connected socket, whose flows it takes over."""
        state = self.in_socket(sock)
        if state.outflow is None:
            raise ValueError("the socket is not connected")
        transport = MemoryTransport(self, state.name, protocol, state.address, state.peer(), copy_context())
        transport.take_over(sock, state.inflow, state.outflow)
        transport.on_lost = partial(_let_go, sock, state, transport, state.on_lost)
        for name in ("peer_closed", "vanish", "is_closing"):  # the far end knows the socket, and asks it
            setattr(state, name, getattr(transport, name))
        waiting = state.handed_over()
        self._forget(self._readers, state.fd)
        self._forget(self._writers, state.fd)
        transport.inflow.pause()
        self.call_soon(_made, transport, waiting, state.ended)
        return transport

    async def connect_accepted_socket(
        self: Any, protocol_factory: Callable[[], Any], sock: Any, *, ssl: Any = None, **options: Any
    ) -> tuple[Any, Any]:
        """A transport over a socket that ``accept`` gave; in the clear."""
        if ssl is not None:
            raise self.outside("loop.connect_accepted_socket(ssl=...)")
        protocol = protocol_factory()
        return self.transport_over(sock, protocol), protocol

    # -- what leads out of the world ------------------------------

    create_unix_server = refuse("create_unix_server")
    create_unix_connection = refuse("create_unix_connection")
    create_datagram_endpoint = refuse("create_datagram_endpoint")
    start_tls = refuse("start_tls")
    sendfile = refuse("sendfile")
    sock_recvfrom = refuse("sock_recvfrom")
    sock_recvfrom_into = refuse("sock_recvfrom_into")
    sock_sendto = refuse("sock_sendto")
    sock_sendfile = refuse("sock_sendfile")
    connect_read_pipe = refuse("connect_read_pipe")
    connect_write_pipe = refuse("connect_write_pipe")


def _number(fd: Any) -> int:
    return fd if isinstance(fd, int) else int(fd.fileno())


def _let_go(sock: Any, state: InSocket, transport: MemoryTransport, told: Callable[[], None] | None) -> None:
    """The transport is done: the far end hears of it, and the descriptor goes."""
    state.unread = transport.unread
    if told is not None:
        told()
    sock.close()


def _made(transport: MemoryTransport, waiting: bytes, ended: bool) -> None:
    """Tell the protocol first; then what the socket had received, and what comes."""
    try:
        transport.get_protocol().connection_made(transport)
    finally:
        if waiting:
            transport.received(waiting)
        if ended:
            transport.received(END)
        if transport.is_reading():
            transport.inflow.resume()
