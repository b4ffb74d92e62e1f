"""TLS in the world against TLS over real sockets."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl

import pytest
import trustme

from .parity import (
    Log,
    on_stock,
    on_world,
    serving,
)


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
