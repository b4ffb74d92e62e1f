"""Sockets inside a world behave as the kernel's: the same code, on the world's loop and on asyncio's own."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import OutsideWorldError, WorldLoop

Main = Callable[[], Coroutine[Any, Any, Any]]

SEEDS = (None, *range(10))


def listener() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(5)
    sock.setblocking(False)
    return sock


def client() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    return sock


async def by_coroutines() -> list[Any]:
    """An echo server over ``sock_*``, and a client that is refused once and then served."""
    loop = asyncio.get_running_loop()
    seen: list[Any] = []
    server = listener()

    async def serve() -> None:
        connection, address = await loop.sock_accept(server)
        with connection:
            seen.append(address == peer.getsockname())
            while data := await loop.sock_recv(connection, 4):
                await loop.sock_sendall(connection, data.upper())
            seen.append("ended")

    peer = client()
    serving = asyncio.ensure_future(serve())
    with peer:
        await loop.sock_connect(peer, server.getsockname())
        seen.append(peer.getpeername() == server.getsockname())
        await loop.sock_sendall(peer, b"hello world")
        peer.shutdown(socket.SHUT_WR)
        received = bytearray()
        buffer = bytearray(3)
        while count := await loop.sock_recv_into(peer, buffer):
            received += buffer[:count]
        seen.append(bytes(received))
    await serving
    port = server.getsockname()
    server.close()
    with client() as late:
        try:
            await loop.sock_connect(late, port)
        except OSError as error:
            seen.append(error.errno == errno.ECONNREFUSED)
    return sorted(seen, key=str)


async def after_a_reset() -> list[Any]:
    """A peer that closes with something unread resets the connection: the first call is told so, then none waits."""
    loop = asyncio.get_running_loop()
    seen: list[Any] = []
    with listener() as server, client() as peer:
        await loop.sock_connect(peer, server.getsockname())
        connection, _ = await loop.sock_accept(server)
        with connection:
            await loop.sock_sendall(connection, b"unread")
            seen.append(await loop.sock_recv(peer, 1))
            peer.close()
            for call in (partial(loop.sock_recv, connection, 4), partial(loop.sock_sendall, connection, b"more")) * 2:
                try:
                    seen.append(await call())
                except OSError as error:
                    seen.append(errno.errorcode[error.errno or 0])
    return seen


def settle(future: asyncio.Future[Any], call: Callable[[], Any]) -> None:
    if not future.done():
        future.set_result(call())


async def by_readers() -> list[Any]:
    """Readers and writers are told for as long as there is something; a removed one is told no more."""
    loop = asyncio.get_running_loop()
    told: list[Any] = []
    server, peer = listener(), client()
    code = peer.connect_ex(server.getsockname())
    told.append(code == errno.EINPROGRESS)
    connected = loop.create_future()
    loop.add_writer(peer, partial(settle, connected, int))
    await connected
    loop.remove_writer(peer)
    taken = loop.create_future()
    loop.add_reader(server.fileno(), partial(settle, taken, server.accept))
    connection, _ = await taken
    told.append(loop.remove_reader(server.fileno()))
    told.append(loop.remove_reader(server.fileno()))
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        told.append("would block")
    done = loop.create_future()

    def one() -> None:
        data = connection.recv(1)
        if not data:
            loop.remove_reader(connection)
            done.set_result(None)
        told.append(data)

    loop.add_reader(connection, one)
    peer.send(b"abc")
    peer.close()
    await done
    connection.close()
    server.close()
    return told


async def by_transports() -> list[Any]:
    """Servers and connections made from sockets: what was received before the transport stood is not lost."""
    loop = asyncio.get_running_loop()
    seen: list[Any] = []
    gone = loop.create_future()

    class Server(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            seen.append(transport.get_extra_info("socket") is not None)

        def data_received(self, data: bytes) -> None:
            self.transport.write(b"<" + data + b">")

        def connection_lost(self, error: BaseException | None) -> None:
            seen.append(("lost", error))
            gone.set_result(None)

    raw = listener()
    peer = client()
    await loop.sock_connect(peer, raw.getsockname())
    connection, _ = await loop.sock_accept(raw)
    await loop.sock_sendall(peer, b"early")
    await loop.connect_accepted_socket(Server, connection)
    seen.append(await loop.sock_recv(peer, 100))
    reader, writer = await asyncio.open_connection(sock=peer)
    writer.write(b"later")
    seen.append(await reader.readexactly(7))
    writer.close()
    await writer.wait_closed()
    await gone
    raw.close()
    return seen


async def served_from_a_socket() -> list[Any]:
    """``start_server(sock=...)``, as SockSite and hypercorn do it."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, sock=sock)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"line\n")
    heard = await reader.read()
    writer.close()
    server.close()
    await server.wait_closed()
    return [heard]


async def with_a_pipe() -> list[Any]:
    """A reactor's waker: a pipe of the target's own."""
    loop = asyncio.get_running_loop()
    ours, theirs = os.pipe()
    woken = loop.create_future()
    loop.add_reader(ours, partial(settle, woken, lambda: os.read(ours, 1)))
    await asyncio.sleep(0)
    os.write(theirs, b"x")
    heard = await woken
    loop.remove_reader(ours)
    os.close(theirs)
    os.close(ours)
    return [heard]


PROGRAMS = [by_coroutines, after_a_reset, by_readers, served_from_a_socket, with_a_pipe]


@pytest.mark.parametrize("main", PROGRAMS)
def test_the_same_code_does_the_same_as_on_the_stock_loop(main: Main) -> None:
    expected = asyncio.run(main())
    loop = WorldLoop()
    for seed in SEEDS:
        assert loop.run_coroutine(main(), None if seed is None else RandomWalk(seed)) == expected


def test_a_transport_takes_over_what_a_socket_had_received() -> None:
    loop = WorldLoop()
    for seed in SEEDS:
        seen = loop.run_coroutine(by_transports(), None if seed is None else RandomWalk(seed))
        assert seen == [True, b"<early>", b"<later>", ("lost", None)]


def test_sockets_are_theirs_by_class_and_the_machine_never_hears_of_them() -> None:
    async def main() -> tuple[int, bool]:
        sock = listener()
        port = sock.getsockname()[1]
        refused = False
        with client() as peer:
            assert isinstance(peer, socket.socket) and peer.fileno() >= 0
            try:
                peer.connect(("192.0.2.1", 80))
            except OutsideWorldError:
                refused = True
        sock.close()
        return port, refused

    port, refused = WorldLoop().run_coroutine(main())
    assert refused
    with socket.socket() as real:
        assert real.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_what_an_execution_leaves_open_is_closed() -> None:
    left: list[Any] = []

    async def main() -> None:
        left[:] = [listener(), *os.pipe()]
        asyncio.get_running_loop().add_reader(left[1], int)

    loop = WorldLoop()
    gc.collect()
    loop.run_coroutine(main())
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        loop.run_coroutine(main())
    assert len(os.listdir("/proc/self/fd")) == before
    assert left[0].fileno() == -1
