"""The network of a world: servers, connections and transports in memory, every arrival an external event.

`Networked` gives a loop what asyncio code asks of it: ``create_server``, ``create_connection`` and, through them,
``asyncio.start_server`` and ``asyncio.open_connection``.  A connection's far end is either another transport in the
same loop (a server's database client, say) or something outside of it: a simulated client, see `Outside`.

What a real network may do and the schedule decides: when a connection is made, when each piece of bytes is read, when
a slow peer takes the next piece.  What it never does: reorder, lose or change bytes of one connection.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from asyncio import sslproto
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from .external import External
from .flow import END, RESET, Flow
from .insocket import Address
from .interface import World
from .server import MemoryServer, connection_made
from .transport import MemoryTransport

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ("DIALLED", "FIRST_CLIENT_PORT", "Networked", "Outside")

FIRST_CLIENT_PORT = 50_000

PORTS = {"http": 80, "https": 443}
"""Services that are asked for by name."""

DIALLED = "dialled-"
"""What the names of connections begin with that the target itself makes."""


class Outside(Protocol):
    """The far end of a connection, outside the loop."""

    def written(self, data: bytes) -> bool:
        """The server has written these bytes, or the end of the stream where empty; they have not arrived yet.

        Gives whether they are no more than a heartbeat.
        """

    def accepted(self, transport: MemoryTransport) -> None:
        """A server took the connection."""

    def refused(self) -> None:
        """Nobody listens, or the server went away first."""

    def received(self, data: bytes) -> None:
        """Bytes came in; empty at the end of the stream."""

    def lost(self) -> None:
        """The server has closed the connection, or reset it; nothing more comes in."""


class Networked(World):
    """The methods of an event loop that have to do with connections; mixed into the world's loop."""

    listeners: dict[int, MemoryServer]
    """port -> server"""
    known_ports: set[int]
    """Ports at which somebody listens or has listened: who connects to another means a machine outside."""
    dialled: int
    """Connections the target itself has made in this execution."""
    listens: asyncio.Future[None] | None
    """Done when a server listens; None while nobody asks."""
    hosts: dict[str, str]
    """name -> address, of the stand-ins' hosts"""
    remote: dict[Address, MemoryServer]
    """(address, port) -> the stand-in that answers there"""
    patience: dict[str, float]
    """Within how many seconds what is under way on a connection to a stand-in becomes visible, by its ends' names."""

    def network_clear(self) -> None:
        """Forget every server and connection."""
        self.listeners = {}
        self.known_ports = set()
        self.dialled = 0
        self.listens = None
        self.transports: list[MemoryTransport] = []
        self.hosts = {}
        self.remote = {}
        self.patience = {}

    def forsake(self) -> None:
        """The execution is over: connections that a pool of the target's keeps are found dead in the next one."""
        for transport in getattr(self, "transports", ()):
            transport.forsaken()

    async def wait_listening(self: Any, port: int | None = None) -> None:
        """Wait until a server listens, on this port where it matters."""
        while not self.listeners if port is None else port not in self.listeners:
            self.listens = self.create_future()
            await self.listens

    def listening(self, port: int, server: Any) -> None:
        """Somebody begins to listen on a port."""
        self.listeners[port] = server
        self.known_ports.add(port)
        if self.listens is not None and not self.listens.done():
            self.listens.set_result(None)

    def deaf(self, port: int, server: Any) -> None:
        """Somebody listens there no more."""
        if self.listeners.get(port) is server:
            del self.listeners[port]

    def free_port(self) -> int:
        """A port at which nobody listens, for who wants any."""
        return next(number for number in range(40_000, 60_000) if number not in self.listeners)

    def listener(self, port: int | None) -> MemoryServer | None:
        """Who listens on a port; without one, the first of all."""
        return self.listeners.get(port) if port is not None else next(iter(self.listeners.values()), None)

    def dial(self: Any, name: str, outside: Outside, port: int | None = None, number: int = 0) -> External:
        """Connect something outside the loop to the server on a port, or to the only one; an external event."""
        context = copy_context()
        event: External = self.external(
            ("connect", name), self._dialled_in, name, outside, port, number, context=context
        )
        return event

    def _dialled_in(self: Any, name: str, outside: Outside, port: int | None, number: int) -> None:
        server = self.listener(port)
        if server is None:
            outside.refused()
            return
        transport = server.accept(name, ("127.0.0.1", FIRST_CLIENT_PORT + number))
        transport.outflow = Flow(self, ("frame", name), outside.received, copy_context())
        transport.outflow.at_once = True
        transport.outflow.room = 0
        transport.outflow.watch = outside.written
        transport.outflow.drained = transport.drained
        transport.on_lost = outside.lost
        outside.accepted(transport)

    async def create_server(  # type: ignore[override]
        self: Any,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        *,
        sock: Any = None,
        ssl: SSLContext | None = None,
        start_serving: bool = True,
        **options: Any,
    ) -> MemoryServer:
        """A server in this world; ``sock`` would be a real one."""
        if sock is not None:
            state = self.in_socket(sock)
            if not state.address[1]:
                state.bind(("", 0))
            host, port = state.address
            self.deaf(port, state)  # where it listens already
        port = port or self.free_port()
        if port in self.listeners:
            raise OSError(errno.EADDRINUSE, f"error while attempting to bind on address ({host!r}, {port})")
        name = host if isinstance(host, str) and host not in ("", "0.0.0.0", "localhost") else "127.0.0.1"
        secured = partial(_secured, self, ssl, None, options) if ssl is not None else None
        server = MemoryServer(self, protocol_factory, (name, port), secured)
        if sock is not None:
            server.own(sock)
        if start_serving:
            server.listen()
        return server

    async def create_connection(  # type: ignore[override]
        self: Any,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: Any = None,
        ssl: SSLContext | bool | None = None,
        server_hostname: str | None = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect to a server in this world; being connected is an external event."""
        if sock is None and not self.knows(host, port):
            raise self.outside(f"loop.create_connection({host!r}, {port!r})")

        async def joined(factory: Callable[[], asyncio.BaseProtocol]) -> Any:
            if sock is not None:
                transport = self.transport_over(sock, factory())
                ready = self.create_future()
                self.call_soon(ready.set_result, None)
                await ready
                return transport
            return await self._dial_out(factory, host, port)

        if not ssl:
            transport = await joined(protocol_factory)
            return transport, transport.get_protocol()
        protocol = protocol_factory()
        secure = self.create_future()
        context = None if ssl is True else ssl
        named = host if server_hostname is None else server_hostname
        tls = _secured(self, context, secure, {"server_hostname": named, **options}, protocol)
        await joined(lambda: tls)
        secured = tls._get_app_transport()
        try:
            await secure
        except BaseException:
            secured.close()
            raise
        return secured, protocol

    def look_up(self, host: Any, port: Any, *, passive: bool = False) -> list[Any]:
        """What the resolver says of a name: one address; ``passive``: to be bound rather than connected to."""
        number = int(port) if port and str(port).isdecimal() else PORTS.get(port, 0)
        everywhere = passive and host in (None, "", "0.0.0.0", "::")
        address = "0.0.0.0" if everywhere else self.address_of(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, number))]

    def address_of(self, host: Any) -> str:
        """Where a name points: a stand-in's own address, else this machine."""
        if isinstance(host, bytes):
            host = host.decode()
        return self.hosts.get(host, host if host in self.hosts.values() else "127.0.0.1")

    def knows(self, host: Any, port: int | None) -> bool:
        return (self.address_of(host), port) in self.remote or port in self.known_ports

    def server_at(self, host: Any, port: int) -> Any:
        return self.remote.get((self.address_of(host), port)) or self.listeners.get(port)

    def _promise(self: Any, name: str, host: Any, port: Any) -> None:
        """Note how long a connection's events may take, where a stand-in says so."""
        server = self.remote.get((self.address_of(host), port))
        if server is not None and server.delay is not None:
            self.patience[name] = self.patience[f"{name}-server"] = server.delay

    def stand_in(self, host: str, port: int, server: Any, delay: float | None = None) -> None:
        """Let a server answer under a host's name; it is no server of the target's."""
        if host in ("localhost", "127.0.0.1"):
            address = "127.0.0.1"
        else:
            address = self.hosts.setdefault(host, f"10.0.0.{len(self.hosts) + 1}")
        server.delay = delay
        self.remote[address, port] = server

    def dial_socket(self: Any, state: Any, address: tuple[str, int]) -> None:
        """A socket connects; that it is connected, or refused, is an external event."""
        if not self.knows(*address):
            raise self.outside(f"socket.connect({address})")
        name = f"{DIALLED}{self.dialled}"
        self.dialled += 1
        self._promise(name, *address)
        self.external(("connect", name), self._connect_socket, name, state, address)

    def _connect_socket(self: Any, name: str, state: Any, address: tuple[str, int]) -> None:
        if state.closed:
            return
        server = self.server_at(*address)
        if server is None:
            state.refused()
            return
        here = ("127.0.0.1", FIRST_CLIENT_PORT + 10_000 + self.dialled)
        theirs = server.accept(f"{name}-server", here)
        state.joined(name, here, server.address, copy_context())
        for ours, there in ((state, theirs), (theirs, state)):
            ours.outflow = there.inflow
            ours.outflow.drained = ours.drained
            ours.on_lost = partial(_hang_up, ours, there)
        state.drained()

    async def _dial_out(
        self: Any, factory: Callable[[], asyncio.BaseProtocol], host: Any, port: int
    ) -> MemoryTransport:
        name = f"{DIALLED}{self.dialled}"
        self.dialled += 1
        ready: asyncio.Future[MemoryTransport] = self.create_future()
        self._promise(name, host, port)
        event = self.external(("connect", name), self._connect, name, factory, host, port, ready)
        try:
            return await ready
        except asyncio.CancelledError:
            if ready.cancelled():
                self.withdraw(event)
            elif ready.exception() is None:  # connected, and cancelled before it heard of it
                ready.result().close()
            raise

    def _connect(
        self: Any,
        name: str,
        factory: Callable[[], asyncio.BaseProtocol],
        host: Any,
        port: int,
        ready: asyncio.Future[MemoryTransport],
    ) -> None:
        if ready.done():
            return
        server = self.server_at(host, port)
        if server is None:
            ready.set_exception(
                ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed ('127.0.0.1', {port})")
            )
            return
        try:
            protocol = factory()
        except Exception as error:
            ready.set_exception(error)
            return
        address = ("127.0.0.1", FIRST_CLIENT_PORT + 10_000 + self.dialled)
        theirs = server.accept(f"{name}-server", address)
        ours = MemoryTransport(self, name, protocol, address, server.address, copy_context())
        for here, there in ((ours, theirs), (theirs, ours)):
            here.outflow = there.inflow
            here.outflow.drained = here.drained
            here.on_lost = partial(_hang_up, here, there)
        ours.inflow.pause()
        self.call_soon(connection_made, ours)
        self.call_soon(_connected, ours, ready)

    async def getaddrinfo(
        self: Any, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """Every name is this machine, but those of stand-ins."""
        return self.look_up(host, port)  # type: ignore[no-any-return]

    def add_signal_handler(  # type: ignore[override]
        self: Any, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Accepted and never called: nobody sends signals into a world."""

    def remove_signal_handler(self: Any, sig: int) -> bool:
        return False


def _secured(
    loop: Networked,
    context: SSLContext | None,
    ready: asyncio.Future[None] | None,
    options: dict[str, Any],
    protocol: asyncio.BaseProtocol,
) -> Any:
    """A protocol that speaks TLS for this one: asyncio's own, as its streams use it; a client's where ``ready`` is.

    A server closes what fails in its handshake.
    """
    names = ("server_hostname", "ssl_handshake_timeout", "ssl_shutdown_timeout")
    said = {name: options[name] for name in names if options.get(name) is not None}
    make: Any = sslproto.SSLProtocol
    if ready is not None:
        return make(loop, protocol, context, ready, **said)
    done = loop.create_future()
    tls = make(loop, protocol, context, done, server_side=True, **said)
    done.add_done_callback(lambda done: None if done.exception() is None else tls._get_app_transport().close())
    return tls


def _connected(transport: MemoryTransport, ready: asyncio.Future[MemoryTransport]) -> None:
    if ready.cancelled():
        transport.close()
    else:
        ready.set_result(transport)


def _hang_up(here: MemoryTransport, there: MemoryTransport) -> None:
    """The kernel tells the other end, behind what was sent: the end of the stream, or a reset where bytes lay unread.

    What that end writes from now on is answered with a reset.
    """
    here.inflow.unwanted = partial(_answer_with_reset, here.inflow, there)
    there.peer_closed(RESET if here.unread or here.inflow.backlog else END)


def _answer_with_reset(flow: Flow, writer: MemoryTransport) -> None:
    flow.unwanted = _nothing
    writer.vanish()


def _nothing() -> None:
    """A reset is sent once."""
