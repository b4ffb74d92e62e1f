"""The network in memory against real loopback sockets, and what it promises under any schedule.

A parity program's result does not depend on interleaving: the same coroutine must give the same on both loops.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from crosswire.fuzzer.engine.schedule import Recorded, Schedule
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import OutsideWorldError, WorldLoop
from crosswire.fuzzer.world.flow import Reads

Log = list[Any]
Main = Callable[[Log], Coroutine[Any, Any, None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BIG = 16_000_000
"""Bytes that no kernel takes while nobody reads."""


def on_stock(main: Main) -> Log:
    log: Log = []
    asyncio.run(asyncio.wait_for(main(log), 20))
    return log


def on_world(main: Main, seed: int | None = None) -> Log:
    log: Log = []
    WorldLoop().run_coroutine(main(log), RandomWalk(seed) if seed is not None else None)
    return log


async def serving(handler: Handler, **options: Any) -> tuple[asyncio.Server, int]:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0, **options)
    return server, server.sockets[0].getsockname()[1]


async def connected(handler: Handler, **options: Any) -> tuple[asyncio.Server, asyncio.StreamReader, Any]:
    server, port = await serving(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    return server, reader, writer


class Recorder(asyncio.Protocol):
    """Notes every call, bytes joined: how they are split is the network's affair."""

    def __init__(self, log: Log, fails_at: str = "", keep_open: bool = False) -> None:
        self.log = log
        self.fails_at = fails_at
        self.keep_open = keep_open
        self.transport: Any = None
        self.over = asyncio.get_running_loop().create_future()

    def _note(self, name: str, *details: Any) -> None:
        if name == "data" and self.log and self.log[-1][0] == "data":
            self.log[-1] = ("data", self.log[-1][1] + details[0])
        else:
            self.log.append((name, *details))
        if name == self.fails_at:
            raise ValueError(name)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self._note("data", data)

    def eof_received(self) -> bool:
        self._note("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.over.set_result(None)
        self._note("lost", type(error).__name__)


# -- programs ------------------------------


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


async def write_buffer_limits(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        await reader.read()
        writer.close()

    server, port = await serving(handler)
    async with server:
        _, protocol = await asyncio.get_running_loop().create_connection(lambda: Recorder(log), "127.0.0.1", port)
        transport = protocol.transport
        log.append(transport.get_write_buffer_limits())
        for limits in ({"high": 0}, {"high": 1000}, {"low": 500}, {"high": 10, "low": 5}):
            transport.set_write_buffer_limits(**limits)
            log.append(transport.get_write_buffer_limits())
        with pytest.raises(ValueError, match="low"):
            transport.set_write_buffer_limits(high=1, low=2)
        with pytest.raises(TypeError):
            transport.write("text")
        transport.write(bytes(BIG))
        transport.write(bytes(BIG))  # paused once
        transport.write_eof()
        await protocol.over


async def reading_paused(log: Log) -> None:
    sent = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        sent.set()
        await reader.read()
        writer.close()

    server, port = await serving(handler)
    async with server:
        loop = asyncio.get_running_loop()

        class Paused(Recorder):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                self.transport.pause_reading()

        _, protocol = await loop.create_connection(lambda: Paused(log), "127.0.0.1", port)
        transport = protocol.transport
        log.append(transport.is_reading())
        await sent.wait()
        await asyncio.sleep(0.02)
        log.append("nothing yet")
        transport.resume_reading()
        transport.resume_reading()  # idempotent
        log.append(transport.is_reading())
        transport.write_eof()
        await protocol.over
        log.append((transport.is_reading(), transport.is_closing()))


async def eof_keeps_open(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        log.append(await reader.read())
        writer.close()
        done.set()

    done = asyncio.Event()
    server, port = await serving(handler)
    async with server:
        loop = asyncio.get_running_loop()
        told: Log = []
        _, protocol = await loop.create_connection(lambda: Recorder(told, keep_open=True), "127.0.0.1", port)
        while ("eof",) not in told:
            await asyncio.sleep(0.001)
        protocol.transport.write(b"still open")
        protocol.transport.close()
        await protocol.over
        await done.wait()
        log.append(told)


async def abort_is_a_reset(log: Log) -> None:
    """What a kernel sends for a connection that is dropped with something unread."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # typeshed: WriteTransport
        writer.write(b"ready")
        await unread.wait()
        writer.transport.abort()

    unread = asyncio.Event()
    server, port = await serving(handler)
    async with server:
        loop = asyncio.get_running_loop()
        told: Log = []
        _, protocol = await loop.create_connection(lambda: Recorder(told), "127.0.0.1", port)
        while ("data", b"ready") not in told:
            await asyncio.sleep(0.001)
        protocol.transport.write(b"never read")
        await asyncio.sleep(0.02)
        unread.set()
        await protocol.over
        log.append(told)


async def abort_with_nothing_unread_is_an_end(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"said before")
        await asyncio.sleep(0.02)
        writer.transport.abort()

    server, port = await serving(handler)
    async with server:
        told: Log = []
        _, protocol = await asyncio.get_running_loop().create_connection(lambda: Recorder(told), "127.0.0.1", port)
        await protocol.over
        log.append(told)


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


async def both_close_with_much_unsent(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # typeshed: WriteTransport
        await asyncio.sleep(0.02)
        writer.close()

    server, port = await serving(handler)
    async with server:
        _, protocol = await asyncio.get_running_loop().create_connection(lambda: Recorder([]), "127.0.0.1", port)
        protocol.transport.write(bytes(BIG))
        protocol.transport.close()
        await protocol.over
        log.append(protocol.transport.is_closing())


async def lost_once_and_last(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"some")
        await reader.read()
        writer.close()

    server, port = await serving(handler)
    async with server:
        _, protocol = await asyncio.get_running_loop().create_connection(lambda: Recorder(log), "127.0.0.1", port)
        while log[-1][0] != "data":
            await asyncio.sleep(0.001)
        protocol.transport.close()
        protocol.transport.close()
        protocol.transport.abort()
        protocol.transport.write(b"dropped")
        log.append(protocol.transport.is_closing())
        await protocol.over
        await asyncio.sleep(0.02)


async def exceptions_in_callbacks(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"boom")
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: log.append((context["message"].split("\n")[0], repr(context.get("exception"))))
    )
    server, port = await serving(handler)
    async with server:
        _, protocol = await loop.create_connection(lambda: Recorder(log, fails_at="data"), "127.0.0.1", port)
        await protocol.over
        await asyncio.sleep(0.02)
    loop.set_exception_handler(None)


async def buffered_protocol(log: Log) -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(8)
            self.received = bytearray()
            self.over = asyncio.get_running_loop().create_future()

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.received += self.buffer[:nbytes]

        def connection_lost(self, error: Exception | None) -> None:
            self.over.set_result(error)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(range(100)))
        writer.close()

    server, port = await serving(handler)
    async with server:
        _, protocol = await asyncio.get_running_loop().create_connection(Buffered, "127.0.0.1", port)
        log.append((await protocol.over, bytes(protocol.received)))


async def protocol_is_exchanged(log: Log) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first")
        await reader.readexactly(4)
        writer.write(b"second")
        writer.close()

    server, port = await serving(handler)
    async with server:
        loop = asyncio.get_running_loop()
        before: Log = []
        transport, _ = await loop.create_connection(lambda: Recorder(before), "127.0.0.1", port)
        while before[-1] != ("data", b"first"):
            await asyncio.sleep(0.001)
        after = Recorder(log)
        transport.set_protocol(after)
        log.append(transport.get_protocol() is after)
        transport.write(b"next")
        await after.over
        log.append(before)


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
    write_buffer_limits,
    reading_paused,
    eof_keeps_open,
    abort_is_a_reset,
    abort_with_nothing_unread_is_an_end,
    writing_to_who_has_left,
    both_close_with_much_unsent,
    lost_once_and_last,
    exceptions_in_callbacks,
    buffered_protocol,
    protocol_is_exchanged,
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
    expected = on_world(main)
    for seed in range(16):
        assert on_world(main, seed) == expected, seed
    gc.collect()


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


# -- bytes ------------------------------

pieces = st.lists(st.binary(min_size=1, max_size=40) | st.integers(1, 300_000).map(bytes), max_size=6)


@settings(max_examples=60, deadline=None)
@given(up=pieces, down=pieces, seed=st.integers(0, 2**20), reads=st.sampled_from([None, "split", "merged"]))
def test_bytes_arrive_complete_and_in_order(up: list[bytes], down: list[bytes], seed: int, reads: Reads | None) -> None:
    """Under any schedule, in whichever reads; and again, byte for byte, when run again or replayed."""

    async def main() -> tuple[bytes, bytes]:
        received = asyncio.get_running_loop().create_future()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: list[bytes]) -> bytes:
            transport: Any = writer.transport
            transport.inflow.reads = reads

            async def say() -> None:
                for piece in data:
                    writer.write(piece)
                    await writer.drain()
                writer.write_eof()

            async with asyncio.TaskGroup() as group:
                saying = group.create_task(say())
                hearing = group.create_task(reader.read())
            await saying
            writer.close()
            return await hearing

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.set_result(await talk(reader, writer, down))

        server, port = await serving(handler)
        async with server:
            back = await talk(*await asyncio.open_connection("127.0.0.1", port), up)
            return await received, back

    def execution(chooser: Any) -> tuple[Any, list[Any], list[Any]]:
        loop = WorldLoop()
        deviations: list[Any] = []
        visible: list[Any] = []

        async def noted() -> tuple[bytes, bytes]:
            try:
                return await main()
            finally:
                deviations.extend(loop.deviations)
                visible.extend(loop.visible)

        return loop.run_coroutine(noted(), chooser), deviations, visible

    first = execution(RandomWalk(seed))
    assert first[0] == (b"".join(up), b"".join(down))
    assert execution(RandomWalk(seed)) == first
    assert execution(Recorded(Schedule(tuple(first[1])))) == first


# -- TLS ------------------------------


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server called localhost and for a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def test_tls_as_over_real_sockets(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def main(log: Log) -> None:
        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readexactly(200_000))[::-1])
            await writer.drain()

        server, port = await serving(handler, ssl=contexts[0])
        async with server:
            reader, writer = await asyncio.open_connection("localhost", port, ssl=contexts[1], family=socket.AF_INET)
            log.append(dict(writer.get_extra_info("peercert")["subjectAltName"]))
            writer.write(b"ab" * 100_000)
            log.append(await reader.read())
            writer.close()
            await writer.wait_closed()

    expected = on_stock(main)
    assert on_world(main) == expected
    for seed in range(5):
        assert on_world(main, seed) == expected


@pytest.mark.filterwarnings("ignore:unclosed transport")  # of the server, which may not have heard by the end
def test_tls_that_is_not_trusted_is_refused(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def main(log: Log) -> None:
        server, port = await serving(lambda reader, writer: asyncio.sleep(0), ssl=contexts[0])
        async with server:
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("localhost", port, ssl=True, family=socket.AF_INET)
            with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
                await asyncio.open_connection("127.0.0.1", port, ssl=contexts[1])

    on_stock(main)
    for seed in range(5):
        on_world(main, seed)
    gc.collect()
