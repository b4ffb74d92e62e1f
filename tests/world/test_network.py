"""The network in memory against real loopback sockets, and what it promises under any schedule.

A parity program's result does not depend on interleaving: the same coroutine must give the same on both loops.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

import pytest

from crosswire.fuzzer.world import OutsideWorldError, WorldLoop

from .parity import BIG, Log, Main, connected, differing, on_stock, on_world, serving


async def echo_and_half_close(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.write_eof()
        log.append(writer.can_write_eof())
        writer.close()
        await writer.wait_closed()

    server, reader, writer = await connected(handler)
    async with server:
        for number in range(100):
            writer.write(b"%d," % number)
        writer.write_eof()
        log.append(await reader.read())
        log.append((await reader.read(), reader.at_eof()))
        with pytest.raises(RuntimeError):
            writer.write(b"after the end")
        writer.close()
        await writer.wait_closed()


async def lines_and_limits(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server, reader, writer = await connected(handler, limit=32)
    async with server:
        writer.writelines([b"one\n", b"two\n", b"x" * 100 + b"\n"])
        log.append(await reader.readline())
        log.append(await reader.readexactly(4))
        with pytest.raises(ValueError, match="limit"):
            await reader.readline()
        writer.write_eof()
        rest = b""
        while data := await reader.read(7):
            rest += data
        log.append(rest[-10:])
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readexactly(1)
        writer.close()


async def backpressure(log: Log) -> None:
    """A reader that waits holds the writer up; all of it arrives."""
    go = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        data = await reader.read()
        log.append((len(data), data[:3], data[-3:]))
        writer.close()

    server, reader, writer = await connected(handler)
    async with server:
        writer.write(b"abc" + bytes(BIG) + b"xyz")
        drained = asyncio.ensure_future(writer.drain())
        await asyncio.sleep(0.05)
        log.append(drained.done())
        log.append(writer.transport.get_write_buffer_size() > 0)
        go.set()
        await drained
        writer.write_eof()
        log.append(await reader.read())
        writer.close()
        await writer.wait_closed()


async def close_flushes(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        log.append(len(await reader.read()))
        writer.close()
        done.set()

    done = asyncio.Event()
    server, _, writer = await connected(handler)
    async with server:
        writer.write(bytes(BIG))
        writer.close()
        log.append(writer.is_closing())
        writer.write(b"ignored or sent, never an error")
        await writer.wait_closed()
        await done.wait()


async def writing_to_who_has_left(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server, reader, writer = await connected(handler)
    async with server:
        log.append(await reader.read())
        with pytest.raises(ConnectionError):
            while True:
                writer.write(bytes(10_000))
                await writer.drain()
                await asyncio.sleep(0.001)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def names_and_addresses(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result((writer.get_extra_info("sockname"), writer.get_extra_info("peername")))
        writer.close()

    seen: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    server, port = await serving(handler)
    async with server:
        for host in ("127.0.0.1", "localhost"):
            if seen.done():
                seen = asyncio.get_running_loop().create_future()
            _, writer = await asyncio.open_connection(host, port, family=socket.AF_INET)
            here, there = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
            log.append((await seen == (there, here), there[0], there[1] == port))
            sock = writer.get_extra_info("socket")
            log.append((sock.family, sock.type, sock.getpeername() == there, sock.getsockname() == here))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            log.append((writer.get_extra_info("nothing", 7), writer.get_extra_info("sslcontext")))
            writer.close()
            await writer.wait_closed()


async def nobody_listens(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server, port = await serving(handler)
    log.append(server.is_serving())
    server.close()
    await server.wait_closed()
    log.append((server.is_serving(), server.sockets))
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(RuntimeError, match="closed"):
        await server.serve_forever()


async def port_is_taken(log: Log) -> None:
    server, port = await serving(lambda reader, writer: asyncio.sleep(0))
    async with server:
        try:
            await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
        except OSError as error:
            log.append(error.errno)


async def not_yet_serving(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"served")
        writer.close()

    server, port = await serving(handler, start_serving=False)
    log.append(server.is_serving())
    await server.start_serving()
    await server.start_serving()
    log.append(server.is_serving())
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        log.append(await reader.read())
        writer.close()


async def closing_a_server_leaves_connections(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            writer.write(line)
        writer.close()

    server, reader, writer = await connected(handler)
    writer.write(b"before\n")
    log.append(await reader.readline())
    server.close()
    closed = asyncio.ensure_future(server.wait_closed())
    writer.write(b"after\n")
    log.append(await reader.readline())
    log.append(closed.done())
    writer.close()
    await closed
    await server.wait_closed()


async def server_closes_its_clients(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            log.append(await reader.read())
        writer.close()

    server, port = await serving(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.sleep(0.02)
    server.close()
    getattr(server, "close_clients", writer.close)()  # since Python 3.13
    log.append(await reader.read())
    await server.wait_closed()
    writer.close()


async def serving_for_ever(log: Log) -> None:
    server, port = await serving(lambda reader, writer: asyncio.sleep(0))
    forever = asyncio.ensure_future(server.serve_forever())
    await asyncio.sleep(0.01)
    with pytest.raises(RuntimeError, match="already"):
        await server.serve_forever()
    forever.cancel()
    await asyncio.wait([forever])
    log.append((forever.cancelled(), server.is_serving()))
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def cancelled_while_connecting(log: Log) -> None:
    """Whenever it is cancelled, nothing stays open."""
    ended: set[asyncio.Task[Any]] = set()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ended.add(task)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()

    server, port = await serving(handler)
    async with server:
        for turns in range(12):
            task = asyncio.ensure_future(asyncio.open_connection("127.0.0.1", port))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()[1].close()
        await asyncio.sleep(0.05)
        await asyncio.gather(*ended)
        log.append("all ended")


PROGRAMS: tuple[Main, ...] = (
    echo_and_half_close,
    lines_and_limits,
    backpressure,
    close_flushes,
    writing_to_who_has_left,
    names_and_addresses,
    nobody_listens,
    port_is_taken,
    not_yet_serving,
    closing_a_server_leaves_connections,
    server_closes_its_clients,
    serving_for_ever,
    cancelled_while_connecting,
)


@pytest.mark.parametrize("main", PROGRAMS, ids=lambda main: main.__name__)
def test_as_over_real_sockets(main: Main) -> None:
    assert on_world(main) == on_stock(main)


@pytest.mark.filterwarnings("ignore:unclosed <StreamWriter")  # of a handler that had not begun when the program ended
@pytest.mark.parametrize("main", PROGRAMS, ids=lambda main: main.__name__)
def test_under_any_schedule(main: Main) -> None:
    assert differing(main) == {}


def test_who_cannot_make_a_protocol_is_told() -> None:
    async def main() -> None:
        server, port = await serving(lambda reader, writer: asyncio.sleep(0))
        async with server:
            with pytest.raises(ZeroDivisionError):
                await asyncio.get_running_loop().create_connection(lambda: 1 // 0, "127.0.0.1", port)  # type: ignore[type-var]

    WorldLoop().run_coroutine(main())


def test_a_port_where_nobody_ever_listened_is_outside() -> None:
    with pytest.raises(OutsideWorldError, match="create_connection"):
        WorldLoop().run_coroutine(asyncio.open_connection("127.0.0.1", 5432))
