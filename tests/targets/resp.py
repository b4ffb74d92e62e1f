"""A small Redis: the commands a client library needs for strings, in a server of a few lines.

Redis serialization protocol (RESP 2 and 3): a request is an array of bulk strings; answers come in the order of the
requests of one connection.  Each answer takes a while, ``latency("redis")``, as over any network.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from crosswire.fuzzer.world import latency

__all__ = ("RESP_PORT", "redis_server")

RESP_PORT = 6379


class _Connection:
    """One client's connection: its requests one after the other, as in Redis."""

    def __init__(self, values: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._values = values
        self._reader = reader
        self._writer = writer
        self._null = b"$-1\r\n"

    async def serve(self) -> None:
        try:
            while True:
                request = await self._request()
                await latency("redis")
                self._writer.write(self._answer(*request))
                await self._writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writer.close()

    async def _request(self) -> list[str]:
        count = int((await self._reader.readuntil(b"\r\n"))[1:])
        words = []
        for _ in range(count):
            size = int((await self._reader.readuntil(b"\r\n"))[1:])
            words.append((await self._reader.readexactly(size + 2))[:-2].decode())
        return words

    def _answer(self, command: str, *arguments: str) -> bytes:
        match command.upper():
            case "GET":
                value = self._values.get(arguments[0])
                return self._null if value is None else b"$%d\r\n%b\r\n" % (len(value.encode()), value.encode())
            case "SET":
                self._values[arguments[0]] = arguments[1]
                return b"+OK\r\n"
            case "PING":
                return b"+PONG\r\n"
            case "CLIENT" | "SELECT":
                return b"+OK\r\n"
            case "HELLO" if arguments[:1] == ("3",):
                self._null = b"_\r\n"
                return b"%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n"
        return f"-ERR unknown command '{command}'\r\n".encode()


@asynccontextmanager
async def redis_server(values: Mapping[str, str], port: int = RESP_PORT) -> AsyncIterator[None]:
    """A Redis on this machine that holds these values."""
    stored = dict(values)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Connection(stored, reader, writer).serve()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield
