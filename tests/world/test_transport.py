"""Transports in memory against real ones: flow control, ends of streams, what a protocol is told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from .parity import BIG, Log, Main, differing, on_stock, on_world, serving


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


PROGRAMS: tuple[Main, ...] = (
    write_buffer_limits,
    reading_paused,
    eof_keeps_open,
    abort_is_a_reset,
    abort_with_nothing_unread_is_an_end,
    both_close_with_much_unsent,
    lost_once_and_last,
    exceptions_in_callbacks,
    buffered_protocol,
    protocol_is_exchanged,
)


@pytest.mark.parametrize("main", PROGRAMS, ids=lambda main: main.__name__)
def test_as_over_real_sockets(main: Main) -> None:
    assert on_world(main) == on_stock(main)


@pytest.mark.filterwarnings("ignore:unclosed <StreamWriter")  # of a handler that had not begun when the program ended
@pytest.mark.parametrize("main", PROGRAMS, ids=lambda main: main.__name__)
def test_under_any_schedule(main: Main) -> None:
    assert differing(main) == {}
